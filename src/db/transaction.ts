import type { EntityManager } from '@mikro-orm/postgresql'
import type { Orm } from './orm.ts'
import { type Sql, sqlOfKysely } from './sql.ts'

/** One transaction: entities, SQL and tasks on one connection. */
export interface UnitOfWork {
  /** Holds its changes back until `em.flush()` or the commit: flush before SQL that has to see them. */
  readonly em: EntityManager
  readonly sql: Sql
}

/** Commits what `work` did when it returns, and rolls all of it back when it throws. */
export async function inTransaction<Result>(orm: Orm, work: (unit: UnitOfWork) => Promise<Result>): Promise<Result> {
  return await orm.em.fork().transactional((em) => work({ em, sql: sqlOfKysely(em.getKysely()) }))
}
