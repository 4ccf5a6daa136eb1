import type { ProjectId } from '../kernel/ids.ts'
import type { Outcome } from '../kernel/outcome.ts'
import type { Orm } from './orm.ts'
import type { Sql } from './sql.ts'
import { inTransaction, type UnitOfWork } from './transaction.ts'

/*
 * Processes cache what they read of configuration and keys. Each change increments one row in its own transaction; the
 * processes learn of it over the bus, or else by polling that row, and read again. So a change holds everywhere within a
 * second of its commit, and a process never misses one for good.
 */

/** What a change of configuration needs. */
export interface ConfigurationDeps {
  readonly orm: Orm
  readonly epochs: {
    /** Called after the commit, so that this process and the others read again at once. */
    changed(): void
  }
}

/** Marks the transaction as a change of configuration or keys. Late in it: all such changes wait for this one row. */
export async function bumpEpoch(sql: Sql): Promise<void> {
  await sql.query(`update configuration_epoch set epoch = epoch + 1 where id = 1`)
}

/**
 * Runs one change of a project's configuration in a transaction, and tells every process after its commit.
 *
 * The changes of one project take turns, so that what `work` counts and looks up still holds when it commits. It must
 * look before it writes: a failure that it returns is committed as it stands, without telling anybody.
 *
 * @throws Error when the project does not exist (a bug: keys and commands resolve their project first).
 */
export async function changeConfiguration<Value>(
  deps: ConfigurationDeps,
  projectId: ProjectId,
  work: (unit: UnitOfWork) => Promise<Outcome<Value>>,
): Promise<Outcome<Value>> {
  const outcome = await inTransaction(deps.orm, async (unit) => {
    await takeTurn(unit.sql, projectId)
    const result = await work(unit)
    if (result.kind === 'done') {
      await unit.em.flush()
      await bumpEpoch(unit.sql)
    }
    return result
  })
  if (outcome.kind === 'done') deps.epochs.changed()
  return outcome
}

// Not `for update`: rows that refer to the project are inserted meanwhile, by this transaction among others.
async function takeTurn(sql: Sql, projectId: ProjectId): Promise<void> {
  const rows = await sql.query(`select p.id from projects as p where p.id = $1::text for no key update`, [projectId])
  if (rows.length === 0) throw new Error(`no project ${projectId}`)
}
