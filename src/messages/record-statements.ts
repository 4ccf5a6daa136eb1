import type { MessageId, SourceId } from '../kernel/ids.ts'
import type { NewMessage } from './message.ts'

/**
 * The statements of one recording transaction, in the order in which they are sent. They are sent together, without
 * waiting for answers in between: nothing that a later one needs is decided by us, all of it by the database.
 */

/** What keeps a second message out: an idempotency key, or the sender's own id of the event. */
export interface Claim {
  /** Prefixed by its kind, so that keys and ids do not meet; at most 300 characters, since it is indexed. */
  readonly key: string
  /** SHA-256 of what the key came with: the same key with something else is a mistake. Null: the key alone counts. */
  readonly bodyHash: Buffer | null
  /** How long it keeps others out, from the receipt on. */
  readonly windowMs: number
}

/** One message with its claim. */
export interface Recordable {
  readonly message: NewMessage
  readonly claim: Claim | null
}

export interface Statement {
  readonly name: string
  readonly text: string
  readonly values: unknown[]
}

/**
 * Locks the heads of the batch's sources until the end, so that sequences are given in the order of commit.
 * A statement of its own, in order of key: an update locks in no order, and two lanes would deadlock.
 */
export function lockHeads(sourceIds: readonly SourceId[]): Statement {
  return {
    name: 'record-lock-heads',
    text: `
      select h.source_id
        from source_heads as h
       where h.source_id = any($1::text[])
       order by h.source_id
         for no key update`,
    values: [sourceIds],
  }
}

/** A source that is not deleted. */
export interface HeadRow {
  readonly source_id: SourceId
}

/**
 * Gives sequences to the messages whose claims nobody holds (so that they stay dense), stores these with their claims
 * and moves the heads. What came for a source that is gone does nothing. All bodies travel as one binary parameter and
 * are cut apart by the database: text forms would double them.
 *
 * Claims are looked at, not fought for: whoever writes claims of a source has locked its head before. No two messages
 * of the batch may have the same claim.
 *
 * @param allOrNone whether a key that was used with something else keeps out all of the batch.
 */
export function storeMessages(batch: readonly Recordable[], allOrNone: boolean): Statement {
  return {
    name: 'record-store',
    text: storeText,
    values: [JSON.stringify(recordsOf(batch)), bodiesOf(batch), allOrNone],
  }
}

/** What became of one message. Those of which there is no such row were neither stored nor kept out by a claim. */
export interface OutcomeRow {
  readonly id: MessageId
  /** Of the message that holds the claim, where that is another; null in claims of earlier versions. */
  readonly sequence: number | null
  /** Null when the message itself was stored. */
  readonly holder_id: MessageId | null
  readonly holder_hash: Buffer | null
}

/**
 * Which of these messages are there, or who holds their claims: the answer when a commit's own answer got lost.
 * Indexes: messages_id_unique, claims_pkey.
 */
export function findOutcomes(batch: readonly Recordable[]): Statement {
  const claimed = batch.filter((item) => item.claim !== null)
  return {
    name: 'record-find-outcomes',
    text: `
      select m.id, m.sequence, null::text as holder_id, null::bytea as holder_hash
        from messages as m
       where m.id = any($1::text[])
      union all
      select k.id, c.sequence, c.message_id, c.body_hash
        from unnest($2::text[], $3::text[], $4::text[], $5::timestamptz[]) as k (id, source_id, key, received_at)
        join claims as c on c.source_id = k.source_id and c.key = k.key
       where c.message_id <> k.id
         and c.expires_at > k.received_at`,
    values: [
      batch.map((item) => item.message.id),
      claimed.map((item) => item.message.id),
      claimed.map((item) => item.message.sourceId),
      claimed.map((item) => item.claim?.key),
      claimed.map((item) => item.message.receivedAt),
    ],
  }
}

// `holder_id` is a claim that still holds: the message is then not stored.
const storeText = `
  with input as materialized (
    select r.*, decode(r.claim_hash, 'hex') as body_hash, h.last_sequence, h.log_bytes, c.message_id as holder_id,
           c.sequence as holder_sequence, c.body_hash as holder_hash
      from json_to_recordset($1::json) as r (
        place int, id text, source_id text, project_id text, received_at timestamptz, method text, path text,
        query text, headers text, content_type text, remote_address text, event_id text, event_source text,
        event_type text, event_subject text, event_time timestamptz, event_data_schema text, event_extensions text,
        schema_violation text, claim_key text, claim_hash text, claim_window_ms bigint, body_offset int, body_bytes int
      )
      join source_heads as h on h.source_id = r.source_id
      left join claims as c on c.source_id = r.source_id and c.key = r.claim_key and c.expires_at > r.received_at
  ), accepted as materialized (
    select i.*,
           i.last_sequence + row_number() over earlier as sequence,
           i.log_bytes + sum(i.body_bytes) over earlier as bytes
      from input as i
     where i.holder_id is null
       and not ($3::boolean and exists (select from input as o where o.holder_hash <> o.body_hash))
    window earlier as (partition by i.source_id order by i.place)
  ), stored as (
    insert into messages (
      source_id, sequence, id, project_id, received_at, method, path, query, headers, content_type, remote_address,
      body, event_id, event_source, event_type, event_subject, event_time, event_data_schema, event_extensions,
      schema_violation, log_bytes)
    select a.source_id, a.sequence, a.id, a.project_id, a.received_at, a.method, a.path, a.query, a.headers,
           a.content_type, a.remote_address, substring($2::bytea from a.body_offset + 1 for a.body_bytes), a.event_id,
           a.event_source, a.event_type, a.event_subject, a.event_time, a.event_data_schema, a.event_extensions,
           a.schema_violation, a.bytes
      from accepted as a
    returning id, source_id, sequence, log_bytes
  ), claimed as (
    insert into claims (source_id, key, message_id, sequence, body_hash, claimed_at, expires_at)
    select a.source_id, a.claim_key, a.id, a.sequence, a.body_hash, a.received_at,
           a.received_at + a.claim_window_ms * interval '1 millisecond'
      from accepted as a
     where a.claim_key is not null
     order by a.source_id, a.claim_key
        on conflict (source_id, key) do update
       set message_id = excluded.message_id,
           sequence = excluded.sequence,
           body_hash = excluded.body_hash,
           claimed_at = excluded.claimed_at,
           expires_at = excluded.expires_at
  ), moved as (
    update source_heads as h
       set last_sequence = s.last_sequence,
           log_bytes = s.log_bytes
      from (select s.source_id, max(s.sequence) as last_sequence, max(s.log_bytes) as log_bytes
              from stored as s
             group by s.source_id) as s
     where h.source_id = s.source_id
  )
  select s.id, s.sequence, null::text as holder_id, null::bytea as holder_hash
    from stored as s
  union all
  select i.id, i.holder_sequence, i.holder_id, i.holder_hash
    from input as i
   where i.holder_id is not null`

function recordsOf(batch: readonly Recordable[]): object[] {
  let offset = 0
  return batch.map(({ message, claim }, place) => {
    const bodyOffset = offset
    offset += message.body.length
    return {
      place,
      id: message.id,
      source_id: message.sourceId,
      project_id: message.projectId,
      received_at: message.receivedAt,
      method: message.method,
      path: message.path,
      query: message.query,
      headers: message.headersText,
      content_type: message.contentType,
      remote_address: message.remoteAddress,
      event_id: message.eventId,
      event_source: message.eventSource,
      event_type: message.eventType,
      event_subject: message.eventSubject,
      event_time: message.eventTime,
      event_data_schema: message.eventDataSchema,
      event_extensions: message.eventExtensions,
      schema_violation: message.schemaViolation,
      claim_key: claim?.key,
      claim_hash: claim?.bodyHash?.toString('hex'),
      claim_window_ms: claim?.windowMs,
      body_offset: bodyOffset,
      body_bytes: message.body.length,
    }
  })
}

function bodiesOf(batch: readonly Recordable[]): Buffer {
  return Buffer.concat(batch.map((item) => item.message.body))
}
