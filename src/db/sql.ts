import { CompiledQuery, type Kysely } from 'kysely'
import type { Pool, PoolClient } from 'pg'

/**
 * Runs one SQL statement with bound parameters. The same face whether the statement stands alone (pool),
 * in a transaction (one connection) or beside entities (an entity manager's transaction).
 */
export interface Sql {
  /**
   * @param name prepares the statement under this name; give one to statements of the hot path only.
   * @returns the rows; `int8` as number, `bytea` as Buffer, `timestamptz` as Date.
   */
  query<Row extends object>(text: string, values?: readonly unknown[], name?: string): Promise<Row[]>
}

/** Statements on the pool: each in a transaction of its own. */
export function sqlOfPool(pool: Pool): Sql {
  return { query: (text, values = [], name) => run(pool, text, values, name) }
}

/** Statements on the connection of an entity manager's running transaction: pass `em.getKysely()`. */
export function sqlOfKysely(kysely: Pick<Kysely<unknown>, 'executeQuery'>): Sql {
  return {
    async query<Row extends object>(text: string, values: readonly unknown[] = []) {
      const result = await kysely.executeQuery<Row>(CompiledQuery.raw(text, [...values]))
      return result.rows
    },
  }
}

/**
 * Runs `work` in one transaction. It must not take another pool connection: a full pool would wait for itself.
 * A connection that fails to roll back is destroyed.
 */
export async function withTransaction<Result>(pool: Pool, work: (sql: Sql) => Promise<Result>): Promise<Result> {
  const client = await pool.connect()
  let broken: Error | undefined
  try {
    await client.query('begin')
    const result = await work(sqlOfClient(client))
    await client.query('commit')
    return result
  } catch (error) {
    await client.query('rollback').catch((rollbackError: Error) => {
      broken = rollbackError
    })
    throw error
  } finally {
    client.release(broken)
  }
}

function sqlOfClient(client: PoolClient): Sql {
  return { query: (text, values = [], name) => run(client, text, values, name) }
}

async function run<Row extends object>(
  target: Pick<Pool, 'query'>,
  text: string,
  values: readonly unknown[],
  name: string | undefined,
): Promise<Row[]> {
  const config = { text, values: [...values] }
  const result = await target.query<Row>(name === undefined ? config : { ...config, name })
  return result.rows
}
