import type { BenchConnection } from './database-server.ts'

export interface StatementCount {
  /** All statements of the product's role, utility statements such as begin and commit included. */
  readonly total: number
  /** The statements run most often, most first. */
  readonly most: readonly { readonly calls: number; readonly totalMs: number; readonly text: string }[]
}

/** The product connects as `hookline`, the bench as a role of its own: that keeps their counts apart. */
const productRole = 'hookline'
const shown = 12
const shownCharacters = 90

export async function resetStatements(connection: BenchConnection): Promise<void> {
  await connection.ask('select pg_stat_statements_reset()')
}

export async function statementsSince(connection: BenchConnection, database: string): Promise<StatementCount> {
  const rows = await connection.ask<{ calls: string; total_exec_time: number; query: string }>(
    `select s.calls, s.total_exec_time, s.query
       from pg_stat_statements as s
      where s.userid = $1::regrole
        and s.dbid = (select d.oid from pg_database as d where d.datname = $2::name)
      order by s.calls desc`,
    [productRole, database],
  )
  return {
    total: rows.reduce((sum, { calls }) => sum + Number(calls), 0),
    most: rows.slice(0, shown).map(({ calls, total_exec_time, query }) => ({
      calls: Number(calls),
      totalMs: total_exec_time,
      text: query.replaceAll(/\s+/g, ' ').trim().slice(0, shownCharacters),
    })),
  }
}
