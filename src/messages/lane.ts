import pg from 'pg'
import { clientConfig } from '../db/pool.ts'
import type { Statement } from './record-statements.ts'

/**
 * What came of a transaction that was sent whole.
 * - committed: the rows of each statement, in order.
 * - refused: rolled back for certain; `error` is the first statement's.
 * - unknown: the connection broke before the answer to COMMIT; it may or may not have happened.
 */
export type TransactionEnd =
  | { readonly kind: 'committed'; readonly rows: object[][] }
  | { readonly kind: 'refused'; readonly error: unknown }
  | { readonly kind: 'unknown'; readonly error: unknown }

export interface Lane {
  /** Sends begin, all statements and commit in one go: one round trip. Never throws. One call at a time. */
  transact(statements: readonly Statement[]): Promise<TransactionEnd>
  close(): Promise<void>
}

/** Shorter than elsewhere: while a lane waits for one source's head, the other sources of the batch wait too. */
const lockTimeoutMs = 1_000

/** One dedicated, pipelined connection. It connects when it is first needed, and again after it broke. */
export function createLane(options: { databaseUrl: string; onError: (error: Error) => void }): Lane {
  let client: pg.Client | null = null

  async function connected(): Promise<pg.Client> {
    if (client !== null) return client
    const fresh = new pg.Client({
      ...clientConfig({ ...options, applicationName: 'hookline recorder' }),
      pipeline: true,
      // Plans are kept for as long as the connection. One that was made while the tables were small must still hold when
      // they are large: everything here goes by an index.
      options: '-c enable_seqscan=off',
      lock_timeout: lockTimeoutMs,
    })
    const forget = () => {
      if (client === fresh) client = null
    }
    fresh.on('error', (error) => {
      forget()
      options.onError(error)
    })
    fresh.on('end', forget)
    await fresh.connect()
    client = fresh
    return fresh
  }

  async function transact(statements: readonly Statement[]): Promise<TransactionEnd> {
    let connection: pg.Client
    try {
      connection = await connected()
    } catch (error) {
      return { kind: 'refused', error }
    }
    const end = await send(connection, statements)
    if (end.kind === 'unknown' && client === connection) {
      client = null
      connection.end().catch(options.onError)
    }
    return end
  }

  return {
    transact,
    async close() {
      await client?.end().catch(options.onError)
    },
  }
}

async function send(client: pg.Client, statements: readonly Statement[]): Promise<TransactionEnd> {
  const answers = [
    client.query({ name: 'begin', text: 'begin' }),
    ...statements.map((statement) => client.query(statement)),
    client.query({ name: 'commit', text: 'commit' }),
  ]
  const settled = await Promise.allSettled(answers)
  const commit = settled.at(-1)
  const failed = settled.find((answer) => answer.status === 'rejected')
  if (commit?.status !== 'fulfilled') return { kind: 'unknown', error: failed?.reason }
  // After a failed statement the server answers COMMIT by rolling back.
  if (failed !== undefined || commit.value.command !== 'COMMIT') return { kind: 'refused', error: failed?.reason }
  return { kind: 'committed', rows: settled.slice(1, -1).map((a) => (a.status === 'fulfilled' ? a.value.rows : [])) }
}
