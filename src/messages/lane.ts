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
  /** Gives the connection up; the next transaction gets a new one. For failures that the session may be to blame for. */
  renew(): void
  close(): Promise<void>
}

/** Shorter than elsewhere: while a lane waits for one source's head, the other sources of the batch wait too. */
const lockTimeoutMs = 1_000

/**
 * One dedicated, pipelined connection. It connects when it is first needed, and again after it broke. Where it broke in
 * the middle of a transaction, the new one begins by ending the session of the old: whether that committed is then
 * settled, and nothing of it happens after it was looked for.
 */
export function createLane(options: { databaseUrl: string; onError: (error: Error) => void }): Lane {
  let client: pg.Client | null = null
  let lostSession: number | null = null

  async function connected(): Promise<pg.Client> {
    if (client !== null) return client
    const fresh = new pg.Client({
      ...clientConfig({ ...options, applicationName: 'hookline recorder' }),
      pipeline: true,
      // Plans are kept for as long as the connection. One that was made while the tables were small must still hold when
      // they are large: everything here looks rows up in an index, one by one. A hash or merge join would read all of it.
      options: '-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off',
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
    const lost = lostSession
    lostSession = null
    if (lost !== null) await endSession(fresh, lost)
    client = fresh
    return fresh
  }

  function renew(): void {
    const former = client
    client = null
    former?.end().catch(options.onError)
  }

  async function transact(statements: readonly Statement[]): Promise<TransactionEnd> {
    let connection: pg.Client
    try {
      connection = await connected()
    } catch (error) {
      return { kind: 'refused', error }
    }
    const end = await send(connection, statements)
    if (end.kind === 'unknown') {
      lostSession = processIdOf(connection)
      if (client === connection) renew()
    }
    return end
  }

  return {
    transact,
    renew,
    async close() {
      await client?.end().catch(options.onError)
    },
  }
}

async function send(client: pg.Client, statements: readonly Statement[]): Promise<TransactionEnd> {
  // One write to the socket for all of them, instead of one each.
  const { stream } = client.connection
  stream.cork()
  const answers = [
    client.query({ name: 'begin', text: 'begin' }),
    ...statements.map((statement) => client.query(statement)),
    client.query({ name: 'commit', text: 'commit' }),
  ]
  stream.uncork()
  const settled = await Promise.allSettled(answers)
  const commit = settled.at(-1)
  const failed = settled.find((answer) => answer.status === 'rejected')
  if (commit?.status !== 'fulfilled') return { kind: 'unknown', error: failed?.reason }
  // After a failed statement the server answers COMMIT by rolling back.
  if (failed !== undefined || commit.value.command !== 'COMMIT') return { kind: 'refused', error: failed?.reason }
  return { kind: 'committed', rows: settled.slice(1, -1).map((a) => (a.status === 'fulfilled' ? a.value.rows : [])) }
}

// Of the server's process; pg's types leave it out.
function processIdOf(client: pg.Client): number | null {
  return 'processID' in client && typeof client.processID === 'number' ? client.processID : null
}

/** A session that waits for a lock, or still has commands of ours to read, knows nothing of a broken connection. */
const endSessionMs = 1_000

async function endSession(client: pg.Client, processId: number): Promise<void> {
  try {
    // By name as well: process ids are used again.
    await client.query(
      `select pg_terminate_backend(a.pid, $2::bigint)
         from pg_stat_activity as a
        where a.pid = $1::int
          and a.application_name = current_setting('application_name')
          and a.datname = current_database()`,
      [processId, endSessionMs],
    )
  } catch (error) {
    await client.end()
    throw error
  }
}
