import type { BenchConnection } from './database-server.ts'

const step = 100_000

/** Stores messages of 1 kB in a source that has none, as if they had come in and been fanned out. */
export async function fillSource(
  connection: BenchConnection,
  sourceId: string,
  { messages, withClaims }: { readonly messages: number; readonly withClaims: boolean },
): Promise<void> {
  for (let from = 0; from < messages; from += step) {
    const range = [sourceId, from + 1, Math.min(from + step, messages)]
    await connection.ask(messagesText, range)
    if (withClaims) await connection.ask(claimsText, range)
  }
  await connection.ask(
    'update source_heads set last_sequence = $2, log_bytes = $2::bigint * 1024 where source_id = $1',
    [sourceId, messages],
  )
  await connection.ask('update fan_out_marks set fanned_out_to = $2 where source_id = $1', [sourceId, messages])
  for (const table of ['messages', 'claims']) await connection.ask(`vacuum analyze ${table}`)
  await connection.ask('checkpoint')
}

const messagesText = `
  insert into messages (
    source_id, sequence, id, project_id, received_at, method, headers, content_type, remote_address, body, event_id,
    event_type, log_bytes)
  select h.source_id, n, 'msg_' || lpad(n::text, 26, '0'), h.project_id, now(), 'POST',
         '[["content-type","application/json"],["x-github-event","push"]]', 'application/json', '127.0.0.1',
         decode(repeat(md5(n::text), 64), 'hex'), gen_random_uuid()::text, 'push', n::bigint * 1024
    from generate_series($2::int, $3::int) as n
    join source_heads as h on h.source_id = $1`

const claimsText = `
  insert into claims (source_id, key, message_id, sequence, claimed_at)
  select m.source_id, 'event:' || m.event_id, m.id, m.sequence, m.received_at
    from messages as m
   where m.source_id = $1
     and m.sequence between $2::int and $3::int`
