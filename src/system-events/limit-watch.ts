import { setTimeout as sleep } from 'node:timers/promises'
import type { Sql } from '../db/sql.ts'
import type { SourceId } from '../kernel/ids.ts'
import type { Logger } from '../kernel/log.ts'
import { insertSystemEvents, systemEventType } from './outbox.ts'

/*
 * Tells when a limit of a source is reached: at most once in ten minutes for each source and limit. A flood of requests
 * that are turned away costs a look into memory each. What is new is written a little later, all of it together; the
 * database then says whether another process has told already. Nothing waits for that, and it is the one kind of system
 * event that is lost with the process in the moment before.
 */
export interface LimitWatch {
  /** A request was turned away. Reasons that are no limits are passed over. Never throws. */
  add(refusal: { readonly sourceId: SourceId; readonly reason: string }): void
  /** Tells what is known by now, for a second at most. */
  close(): Promise<void>
}

export interface LimitWatchDeps {
  readonly sql: Sql
  readonly log: Logger
  /** System events were committed. */
  readonly onWritten: () => void
  /** Between two of one source and limit. Default 600,000. */
  readonly distanceMs?: number
  /** Between two statements. Default 250. */
  readonly restMs?: number
  /** Between two tries while the database is away. Default 1,000. */
  readonly retryMs?: number
}

/** The reasons for refusals that are limits, and what they are called in events. */
const limits: Readonly<Record<string, 'RATE' | 'BODY_SIZE'>> = { RATE_LIMITED: 'RATE', BODY_TOO_LARGE: 'BODY_SIZE' }

const defaultDistanceMs = 600_000
const defaultRestMs = 250
const defaultRetryMs = 1_000
/** Two for each source that a project may have. Of more, those known longest may be told of to the database again. */
const maxKnown = 20_000
const maxBatch = 500
const closeMs = 1_000

interface Reached {
  readonly sourceId: SourceId
  readonly limit: 'RATE' | 'BODY_SIZE'
}

export function createLimitWatch(deps: LimitWatchDeps): LimitWatch {
  const { distanceMs = defaultDistanceMs, restMs = defaultRestMs, retryMs = defaultRetryMs } = deps
  const quietUntilMs = new Map<string, number>()
  const waiting: Reached[] = []
  const closing = new AbortController()
  let running: Promise<void> = Promise.resolve()
  let isRunning = false

  async function run(): Promise<void> {
    isRunning = true
    let isWritten = true
    while (waiting.length > 0 && (isWritten || !closing.signal.aborted)) {
      const batch = waiting.splice(0, maxBatch)
      isWritten = await tell(batch)
      if (!isWritten) waiting.unshift(...batch)
      const rest = { signal: closing.signal, ref: false }
      await sleep(isWritten ? restMs : retryMs, null, rest).catch(() => undefined)
    }
    isRunning = false
  }

  /** @returns false when the database cannot take it now. */
  async function tell(batch: readonly Reached[]): Promise<boolean> {
    try {
      if (await write(deps.sql, batch, distanceMs)) deps.onWritten()
      return true
    } catch (error) {
      deps.log.warn({ err: error, limits: batch.length }, 'limits that were reached cannot be told of now')
      return false
    }
  }

  return {
    add({ sourceId, reason }) {
      const limit = limits[reason]
      if (limit === undefined || closing.signal.aborted) return
      const reached = { sourceId, limit }
      const key = keyOf(reached)
      const nowMs = performance.now()
      if ((quietUntilMs.get(key) ?? 0) > nowMs) return
      quietUntilMs.delete(key)
      const [oldest] = quietUntilMs.keys()
      if (oldest !== undefined && quietUntilMs.size >= maxKnown) quietUntilMs.delete(oldest)
      quietUntilMs.set(key, nowMs + distanceMs)
      if (waiting.length < maxKnown) waiting.push(reached)
      if (!isRunning) running = run()
    },
    async close() {
      closing.abort()
      await Promise.race([running, sleep(closeMs, null, { ref: false })])
    },
  }
}

function keyOf({ sourceId, limit }: Reached): string {
  return `${limit} ${sourceId}`
}

/** @returns whether something was told. */
async function write(sql: Sql, batch: readonly Reached[], distanceMs: number): Promise<boolean> {
  const column = <Value>(value: (reached: Reached) => Value) => batch.map(value)
  const rows = await sql.query(writeText, [column((r) => r.sourceId), column((r) => r.limit), distanceMs])
  return rows.length > 0
}

// Of two processes one waits here for the other, and then finds that it has told. In order of key, like everywhere.
const writeText = `
  with due as (
    insert into limit_notices as n (source_id, reason, told_at)
    select distinct s.id, r.reason, now()
      from unnest($1::text[], $2::text[]) as r (source_id, reason)
      join sources as s on s.id = r.source_id
     order by s.id, r.reason
        on conflict (source_id, reason) do update
       set told_at = excluded.told_at
     where n.told_at <= now() - make_interval(secs => $3::float8 / 1000)
    returning source_id, reason
  )
  ${insertSystemEvents(
    `select s.project_id, ${systemEventType('hookline.source.limit_reached')} as type, s.id as subject,
            json_build_object('sourceId', s.id, 'sourceName', s.name, 'limit', d.reason, 'rateLimit', s.rate_limit,
                              'projectRateLimit', p.rate_limit, 'maxBodyBytes', s.max_body_bytes) as data
       from due as d
       join sources as s on s.id = d.source_id
       join projects as p on p.id = s.project_id`,
  )}
  returning id`
