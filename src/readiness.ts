import { isUpToDate } from './db/orm.ts'
import type { Sql } from './db/sql.ts'
import type { ReadinessCheck } from './http/index.ts'

/** Whether this process can do its work, for `/readyz`. */
export interface Readiness {
  readonly checks: readonly ReadinessCheck[]
  /** From now on the start is over. */
  started(): void
}

export function createReadiness(sql: Sql): Readiness {
  let isStarted = false
  return {
    checks: [
      {
        name: 'start',
        async check() {
          if (!isStarted) throw new Error('the start is not over')
        },
      },
      {
        name: 'database',
        async check() {
          if (!(await isUpToDate(sql))) throw new Error('the database lacks migrations of this version')
        },
      },
    ],
    started() {
      isStarted = true
    },
  }
}
