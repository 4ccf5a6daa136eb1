import type { Sql } from '../db/sql.ts'

/*
 * What pg-boss has no call for: giving a task back with a delay of our own, in milliseconds, without a change of its
 * identity. `retry` is pg-boss's state for 'waiting again'; unlike `created` it does not count as the one waiting task
 * of a key, so that giving back never collides. `started_on` stays, so that the next claim raises `retry_count`, the
 * number by which pg-boss fences an earlier claim.
 */

export interface ClaimedTask {
  readonly id: string
  readonly retryCount: number
}

/** @param delayMs until the task may be taken up again. */
export async function giveBack(sql: Sql, name: string, task: ClaimedTask, delayMs: number): Promise<void> {
  await sql.query(giveBackText, [name, task.id, task.retryCount, delayMs])
}

/** Everything under way goes back at once. Only right when no other process can be at work. */
export async function giveBackAll(sql: Sql, names: readonly string[]): Promise<number> {
  return (await sql.query(giveBackAllText, [names])).length
}

// Fenced by the number of the claim. Index: job_pkey.
const giveBackText = `
  update pgboss.job
     set state = 'retry', heartbeat_on = null, start_after = now() + make_interval(secs => $4::float8 / 1000)
   where name = $1::text
     and id = $2::uuid
     and state = 'active'
     and retry_count = $3::int`

const giveBackAllText = `
  update pgboss.job
     set state = 'retry', heartbeat_on = null, start_after = now()
   where name = any($1::text[])
     and state = 'active'
  returning id`
