import type { Sql } from '../db/sql.ts'
import { newId, type ProjectId, type SourceId } from '../kernel/ids.ts'
import type { Logger } from '../kernel/log.ts'
import type { Recordable, Recorded, Recorder } from '../messages/index.ts'
import type { TaskHandler } from '../queue/index.ts'
import { ensureSystemSource } from '../sources/index.ts'

export interface RecordSystemEventsDeps {
  readonly sql: Sql
  readonly recorder: Pick<Recorder, 'record'>
  readonly log: Logger
}

interface OutboxRow {
  readonly id: number
  readonly projectId: ProjectId
  readonly type: string
  readonly subject: string
  readonly data: string
  readonly occurredAt: Date
}

const stepRows = 500
/** A row is recorded within seconds. The claim outlasts an installation that stands still for long in between. */
const claimWindowMs = 30 * 24 * 3_600_000

/**
 * Records what the outbox holds, in its order, and removes what was recorded. Several may be at it at the same time.
 *
 * @throws Error when the recorder takes nothing now: the task is tried again.
 */
export function createRecordSystemEvents(deps: RecordSystemEventsDeps): TaskHandler<object> {
  return async (_payload, run) => {
    for (;;) {
      if (run.closing.aborted) return run.postpone()
      const rows = await deps.sql.query<OutboxRow>(rowsText, [stepRows])
      if (rows.length === 0) return
      await recordRows(deps, rows)
    }
  }
}

async function recordRows({ sql, recorder, log }: RecordSystemEventsDeps, rows: readonly OutboxRow[]): Promise<void> {
  const sourceIds = new Map<ProjectId, SourceId>()
  for (const { projectId } of rows) {
    if (!sourceIds.has(projectId)) sourceIds.set(projectId, await ensureSystemSource(sql, projectId))
  }
  const answers = await Promise.all(
    rows.map(async (row) => {
      const sourceId = sourceIds.get(row.projectId)
      return sourceId === undefined ? null : await recorder.record(recordableOf(row, sourceId))
    }),
  )
  const ended = rows.filter((_row, place) => isOver(answers[place]?.kind))
  await sql.query(`delete from system_events as e where e.id = any($1::bigint[])`, [ended.map(({ id }) => id)])
  const unstorable = rows.filter((_row, place) => answers[place]?.kind === 'unstorable')
  if (unstorable.length > 0) log.error({ events: unstorable.slice(0, 10) }, 'system events could not be stored')
  if (ended.length < rows.length) throw new Error('not all system events could be recorded', { cause: answers })
}

// What the database cannot hold as it is would keep all that follows from being recorded.
function isOver(kind: Recorded['kind'] | 'overloaded' | undefined): boolean {
  return kind === 'recorded' || kind === 'unstorable'
}

function recordableOf(row: OutboxRow, sourceId: SourceId): Recordable {
  const { projectId, occurredAt } = row
  const id = newId('msg')
  const data = { ...JSON.parse(row.data), occurredAt: occurredAt.toISOString() }
  const message = {
    id,
    projectId,
    sourceId,
    receivedAt: new Date(),
    method: 'POST',
    path: null,
    query: null,
    headersText: '[]',
    contentType: 'application/json',
    remoteAddress: '',
    body: Buffer.from(JSON.stringify(data)),
    eventId: id,
    eventSource: `/projects/${projectId}`,
    eventType: row.type,
    eventSubject: row.subject,
    eventTime: occurredAt,
    eventDataSchema: null,
    eventExtensions: null,
    schemaViolation: null,
  }
  return { message, claim: { key: `system:${row.id}`, bodyHash: null, windowMs: claimWindowMs } }
}

// Index: system_events_pkey.
const rowsText = `
  select e.id, e.project_id as "projectId", e.type, e.subject, e.data, e.occurred_at as "occurredAt"
    from system_events as e
   order by e.id
   limit $1::int`
