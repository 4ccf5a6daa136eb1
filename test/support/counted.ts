import { expect } from 'vitest'
import type { Sql } from '../../src/db/sql.ts'
import { type counters, eachCounter } from '../../src/rollups/index.ts'

export type Counts = Record<(typeof counters)[number] | 'slots', number>

/** What was counted for a node, folded or not. */
export async function countsOf(sql: Sql, nodeId: string): Promise<Counts> {
  const columns = eachCounter((counter) => counter)
  const [row] = await sql.query<Counts>(
    `select ${eachCounter((counter) => `coalesce(sum(${counter}), 0)::int as ${counter}`)},
            coalesce(sum((select sum(n) from unnest(histogram) as n)), 0)::int as slots
       from (select ${columns}, histogram from fresh_counts where node_id = $1
             union all
             select ${columns}, histogram from rollups where node_id = $1 and span = 'minute') as c`,
    [nodeId],
  )
  if (row === undefined) throw new Error('a sum has one row')
  return row
}

/** Column of `deliveries` by which they belong to a node. */
type Belonging = 'project_id' | 'source_id' | 'endpoint_id'

/** The same as the tables of deliveries and attempts have it, but for what was tried afresh: failures that are no more. */
export async function tablesOf(sql: Sql, column: Belonging, id: string): Promise<Partial<Counts>> {
  const [row] = await sql.query<Partial<Counts>>(
    `select count(*)::int as created,
            count(*) filter (where d.status = 'delivered')::int as delivered,
            coalesce(sum(a.count), 0)::int as attempts,
            coalesce(sum(a.count), 0)::int as slots,
            coalesce(sum(a.duration_ms), 0)::int as duration_ms
       from deliveries as d
      cross join lateral (select count(*), sum(duration_ms) as duration_ms from attempts where delivery_id = d.id) as a
      where d.${column} = $1`,
    [id],
  )
  return row ?? {}
}

/** Expects that what was counted for every project, source and endpoint that has deliveries is what the tables say. */
export async function expectExact(sql: Sql): Promise<void> {
  for (const column of ['project_id', 'source_id', 'endpoint_id'] as const) {
    const nodes = await sql.query<{ id: string }>(`select distinct ${column} as id from deliveries`)
    for (const { id } of nodes) expect(await countsOf(sql, id), column).toMatchObject(await tablesOf(sql, column, id))
  }
}
