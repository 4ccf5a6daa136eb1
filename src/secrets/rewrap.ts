import type { Sql } from '../db/sql.ts'
import { keyIdOfValue, type SealedPlace, sealedPlaces } from './sealed-values.ts'
import { SealError, type Sealer } from './sealer.ts'

/*
 * Puts everything under the current master key, so that the ones before it may go. Gateways may run meanwhile: a value is
 * replaced only where it is still the one that was read, and whoever has all keys opens it before and after. Each row is
 * a transaction of its own, which waits for nobody but that row; a run that is cut short leaves the rest to the next.
 */

export interface RewrapReport {
  /** Values that are under the current key now, and were not. */
  readonly resealedCount: number
  /** Rows that were left as they are because a value does not open. */
  readonly brokenCount: number
  /** Why the first of them does not; null when there is none. */
  readonly firstBroken: SealError | null
}

const rowsPerStep = 200

/** @param sealer with all the keys that values rest under; its first is the current one. */
export async function rewrap(sql: Sql, sealer: Sealer): Promise<RewrapReport> {
  let resealedCount = 0
  const broken: SealError[] = []
  for (const place of sealedPlaces) {
    for await (const row of rowsToReseal(sql, place, sealer.keyIds[0] ?? '')) {
      const outcome = await resealRow({ sql, sealer, place, row })
      if (outcome instanceof SealError) broken.push(outcome)
      else resealedCount += outcome
    }
  }
  return { resealedCount, brokenCount: broken.length, firstBroken: broken[0] ?? null }
}

interface SealedRow {
  readonly id: string
  /** The column's text. */
  readonly stored: string
  /** Those that are under other keys. */
  readonly values: readonly string[]
}

/** By the primary key, so that rows which do not open are passed once. */
async function* rowsToReseal(sql: Sql, place: SealedPlace, currentKeyId: string): AsyncGenerator<SealedRow> {
  const { table, column, values } = place
  const text = `
    select t.id, t.${column}::text as stored,
           array(select v from unnest(${values}) as v where ${keyIdOfValue} <> $2::text) as values
      from ${table} as t
     where t.id > $1::text
       and exists (select from unnest(${values}) as v where ${keyIdOfValue} <> $2::text)
     order by t.id
     limit $3::int`
  let after = ''
  for (;;) {
    const rows = await sql.query<SealedRow>(text, [after, currentKeyId, rowsPerStep])
    const last = rows.at(-1)
    if (last === undefined) return
    after = last.id
    yield* rows
  }
}

/** @returns how many values were sealed again; none when somebody else wrote meanwhile. An error for what does not open. */
async function resealRow({
  sql,
  sealer,
  place,
  row,
}: {
  readonly sql: Sql
  readonly sealer: Sealer
  readonly place: SealedPlace
  readonly row: SealedRow
}): Promise<number | SealError> {
  const { table, column, type } = place
  const context = { table, rowId: row.id }
  let text = row.stored
  try {
    // A sealed value stands in JSON as it is, and nowhere else: half of it is random.
    for (const value of row.values) text = text.replace(value, sealer.seal(sealer.open(value, context), context))
  } catch (error) {
    if (error instanceof SealError) return error
    throw error
  }
  const written = await sql.query(
    `update ${table}
        set ${column} = $3::${type}
      where id = $1::text
        and ${column} = $2::${type}
     returning id`,
    [row.id, row.stored, text],
  )
  return written.length === 0 ? 0 : row.values.length
}
