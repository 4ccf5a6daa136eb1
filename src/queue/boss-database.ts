import { createHash } from 'node:crypto'
import type { Pool, QueryConfig } from 'pg'
import type { Db } from 'pg-boss'
import type { Sql } from '../db/sql.ts'

/*
 * How pg-boss reaches the database: three adapters, all on connections that exist anyway.
 *
 *   plain     pg-boss's own upkeep; its texts may hold several commands, which cannot be prepared
 *   prepared  the few hot statements (insert, fetch, delete, touch), given by us with each such call
 *   inside    the same statements in a caller's transaction
 */

const featureNotSupported = '0A000' // 'cached plan must not change result type': the table was altered by a migration
const invalidStatementName = '26000' // the session forgot the statement: another server took over behind the address

export function plainDatabase(pool: Pool): Db {
  return { executeSql: (text, values) => pool.query(text, values === undefined ? undefined : [...values]) }
}

/** The pool drops a connection whose query failed, so that the second try begins with nothing prepared. */
export function preparedDatabase(pool: Pool): Db {
  return {
    async executeSql(text, values = []) {
      const query: QueryConfig = { name: statementName(text), text, values: [...values] }
      try {
        return await pool.query(query)
      } catch (error) {
        if (!isStalePlan(error)) throw error
        return await pool.query(query)
      }
    },
  }
}

/** Inside a transaction nothing can be tried again: it is over at the first error. */
export function insideDatabase(sql: Sql): Db {
  return { executeSql: async (text, values = []) => ({ rows: await sql.query(text, values, statementName(text)) }) }
}

/** Writes down the statement instead of running it. */
export function recordingDatabase(): Db & { readonly statement: () => { text: string; values: unknown[] } } {
  let recorded: { text: string; values: unknown[] } | null = null
  return {
    async executeSql(text, values = []) {
      recorded = { text, values: [...values] }
      return { rows: [] }
    },
    statement() {
      if (recorded === null) throw new Error('pg-boss ran no statement')
      return recorded
    },
  }
}

const names = new Map<string, string>()

/** Equal texts have equal names, in every process; pg-boss's texts are few, since batch sizes are fixed. */
export function statementName(text: string): string {
  const known = names.get(text)
  if (known !== undefined) return known
  const name = `boss-${createHash('sha256').update(text).digest('hex').slice(0, 24)}`
  names.set(text, name)
  return name
}

function isStalePlan(error: unknown): boolean {
  if (!(error instanceof Error) || !('code' in error)) return false
  return error.code === featureNotSupported || error.code === invalidStatementName
}
