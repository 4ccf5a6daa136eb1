import { CodedError } from '../kernel/coded-error.ts'
import { checkValue, type MasterKey } from '../secrets/index.ts'
import { countSealedValues } from '../secrets/sealed-values.ts'
import type { Sql } from './sql.ts'

/**
 * Compares the given master keys with those that the database was written under, and remembers new ones. Runs at start,
 * so that a wrong or forgotten key is told then and not at the first secret. A key that seals nothing any more may go.
 *
 * @throws CodedError MASTER_KEY_WRONG when another key went by this id; MASTER_KEY_MISSING when a sealed value needs a
 * key that was not given. Both name the key's id.
 */
export async function registerMasterKeys(sql: Sql, masterKeys: readonly MasterKey[]): Promise<void> {
  await refuseMissingKeys(sql, masterKeys)
  await sql.query(
    `insert into master_keys (id, check_value, created_at)
     select k.id, k.check_value, now()
       from unnest($1::text[], $2::text[]) as k (id, check_value)
     on conflict (id) do nothing`,
    [masterKeys.map((key) => key.id), masterKeys.map(checkValue)],
  )
  await refuseWrongKeys(sql, masterKeys)
}

// Reads after the insert, so that of two processes that start together with different keys the second is refused.
async function refuseWrongKeys(sql: Sql, masterKeys: readonly MasterKey[]): Promise<void> {
  const rows = await sql.query<{ id: string; check_value: string }>(
    `select k.id, k.check_value from master_keys as k where k.id = any ($1::text[])`,
    [masterKeys.map((key) => key.id)],
  )
  const known = new Map(rows.map((row) => [row.id, row.check_value]))
  const wrong = masterKeys.find((key) => known.get(key.id) !== checkValue(key))
  if (wrong === undefined) return
  throw new CodedError(
    'MASTER_KEY_WRONG',
    `The master key "${wrong.id}" is not the one that this database was written under. Give the original key, ` +
      'or give the new one an id of its own and keep the original beside it.',
  )
}

async function refuseMissingKeys(sql: Sql, masterKeys: readonly MasterKey[]): Promise<void> {
  const given = new Set(masterKeys.map((key) => key.id))
  const missing = [...(await countSealedValues(sql)).keys()].find((id) => !given.has(id))
  if (missing === undefined) return
  throw new CodedError(
    'MASTER_KEY_MISSING',
    `Secrets in this database are sealed under the master key "${missing}", which was not given. ` +
      'Add it to MASTER_KEYS; the first key there seals, all of them open.',
  )
}
