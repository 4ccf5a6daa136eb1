import type { Sql } from '../db/sql.ts'
import type { SourceId } from '../kernel/ids.ts'
import type { Logger } from '../kernel/log.ts'
import { type Bus, refusalsChannel, statsChannel } from '../live/bus.ts'
import type { Refusal } from './refusal.ts'
import { countRefused, insertRefusals, type RefusedMore, trimRefusals } from './refusal-statements.ts'

export interface RefusalWriterDeps {
  readonly sql: Sql
  readonly bus: Pick<Bus, 'publish'>
  readonly log: Logger
  readonly onDropped: (count: number) => void
}

/** Writes batches, lets each source keep its latest, and wakes up who follows. */
export interface RefusalWriter {
  /** @returns false when the database cannot take anything now. Never throws. */
  write(batch: readonly Refusal[]): Promise<boolean>
  /**
   * Counts what is not stored. Repeated after an answer that got lost it counts twice: a flood is told as one a little larger.
   *
   * @returns as `write` does.
   */
  count(refused: readonly RefusedMore[]): Promise<boolean>
}

/** Of each source. */
const keptRows = 1_000

export function createRefusalWriter({ sql, bus, log, onDropped }: RefusalWriterDeps): RefusalWriter {
  let isFailing = false

  async function insert(batch: readonly Refusal[]): Promise<SourceId[]> {
    try {
      return await insertRefusals(sql, batch)
    } catch (error) {
      if (!isBadRow(error)) throw error
      if (batch.length > 1) return await insertHalves(batch)
      log.error({ err: error, sourceId: batch[0]?.sourceId }, 'a refusal could not be stored')
      onDropped(1)
      return []
    }
  }

  // One bad row among 500 costs some twenty more statements, and nobody else's refusal.
  async function insertHalves(batch: readonly Refusal[]): Promise<SourceId[]> {
    const middle = Math.ceil(batch.length / 2)
    return [...(await insert(batch.slice(0, middle))), ...(await insert(batch.slice(middle)))]
  }

  async function attempt(work: () => Promise<void>): Promise<boolean> {
    try {
      await work()
      if (isFailing) log.info('refusals are kept again')
      isFailing = false
      return true
    } catch (error) {
      if (!isFailing) log.warn({ err: error }, 'refusals cannot be stored now; the latest of them wait')
      isFailing = true
      return false
    }
  }

  function announce(refused: readonly Pick<Refusal, 'projectId'>[]): void {
    for (const projectId of new Set(refused.map((each) => each.projectId))) bus.publish(statsChannel(projectId))
  }

  return {
    write: (batch) =>
      attempt(async () => {
        const sourceIds = [...new Set(await insert(batch))].sort()
        for (const sourceId of sourceIds) bus.publish(refusalsChannel(sourceId))
        announce(batch)
        await trimRefusals(sql, sourceIds, keptRows)
      }),
    count: (refused) =>
      attempt(async () => {
        await countRefused(sql, refused)
        announce(refused)
      }),
  }
}

// SQLSTATE classes: data, constraint, limit. All else says that nothing can be written now.
function isBadRow(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^(22|23|54)/.test(String(error.code))
}
