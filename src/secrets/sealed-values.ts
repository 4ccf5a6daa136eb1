import type { Sql } from '../db/sql.ts'

/*
 * Everywhere that sealed values rest. Who begins to seal something in a further column adds it here: the check of a
 * start, which refuses to run without a key that is still needed, and `hookline secrets rewrap` look nowhere else.
 */

/** A column of a table whose rows have an `id`. */
export interface SealedPlace {
  readonly table: string
  readonly column: string
  readonly type: 'text' | 'jsonb'
  /** SQL: the sealed values of a row `t`, text[] without nulls. */
  readonly values: string
}

export const sealedPlaces: readonly SealedPlace[] = [
  wholeColumn('secrets', 'sealed'),
  wholeColumn('sources', 'token_sealed'),
  insideJson('sources', 'verification_options', '$.verifyTokenSealed'),
  insideJson('sources', 'accepted_response', '$.headers[*].sealed'),
  wholeColumn('endpoints', 'sealed_headers'),
  wholeColumn('endpoints', 'sealed_credential'),
]

function wholeColumn(table: string, column: string): SealedPlace {
  return { table, column, type: 'text', values: `array_remove(array[t.${column}], null)` }
}

function insideJson(table: string, column: string, path: string): SealedPlace {
  const values = `array(select v #>> '{}' from jsonb_path_query(t.${column}, '${path}') as v)`
  return { table, column, type: 'jsonb', values }
}

/** SQL: the id of the master key that a sealed value `v` needs. */
export const keyIdOfValue = `split_part(v, '.', 2)`

/** How many sealed values there are under each master key, by its id. Reads all of them. */
export async function countSealedValues(sql: Sql): Promise<ReadonlyMap<string, number>> {
  const values = sealedPlaces.map((place) => `select unnest(${place.values}) as v from ${place.table} as t`)
  const rows = await sql.query<{ id: string; count: number }>(
    `select ${keyIdOfValue} as id, count(*) as count
       from (${values.join(' union all ')}) as sealed
      group by 1
      order by 1`,
  )
  return new Map(rows.map(({ id, count }) => [id, count]))
}
