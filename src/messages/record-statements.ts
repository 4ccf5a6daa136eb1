import type { MessageId, SourceId } from '../kernel/ids.ts'
import type { NewMessage } from './message.ts'

/**
 * The statements of one recording transaction, in the order in which they are sent. They are sent together, without
 * waiting for answers in between: nothing that a later one needs is decided by us, all of it by the database.
 */

/** A claim older than this no longer keeps a second message out. */
const claimWindow = '24 hours'

/** One message with the key that keeps a second one out: an idempotency key or the sender's own id of the event. */
export interface Recordable {
  readonly message: NewMessage
  readonly claimKey: string | null
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
 * Claims keys, gives sequences to the messages whose claim won (so that they stay dense), stores these and moves the
 * heads. What came for a source that is gone does nothing. All bodies travel as one binary parameter and are cut apart
 * by the database: text forms would double them.
 */
export function storeMessages(batch: readonly Recordable[]): Statement {
  return { name: 'record-store', text: storeText, values: [JSON.stringify(recordsOf(batch)), bodiesOf(batch)] }
}

export interface StoredRow {
  readonly id: MessageId
  readonly sequence: number
}

/** Who holds the keys of this batch: for a claim that lost, the earlier message. Sees what the claims waited for. */
export function readClaims(batch: readonly Recordable[]): Statement {
  const claimed = batch.filter((item) => item.claimKey !== null)
  return {
    name: 'record-read-claims',
    text: `
      select c.source_id, c.key, c.message_id, m.sequence
        from unnest($1::text[], $2::text[]) as k (source_id, key)
        join claims as c on c.source_id = k.source_id and c.key = k.key
        left join messages as m on m.id = c.message_id`,
    values: [claimed.map((item) => item.message.sourceId), claimed.map((item) => item.claimKey)],
  }
}

export interface ClaimRow {
  readonly source_id: SourceId
  readonly key: string
  readonly message_id: MessageId
  /** Null when retention has dropped the message. */
  readonly sequence: number | null
}

/** Which of these messages are there: the answer when a commit's own answer got lost. Index: messages_id_unique. */
export function findStored(ids: readonly MessageId[]): Statement {
  return {
    name: 'record-find-stored',
    text: `select m.id, m.sequence from messages as m where m.id = any($1::text[])`,
    values: [ids],
  }
}

const storeText = `
  with input as materialized (
    select r.*
      from json_to_recordset($1::json) as r (
        place int, id text, source_id text, project_id text, received_at timestamptz, method text, path text,
        query text, headers text, content_type text, remote_address text, event_id text, event_source text,
        event_type text, event_subject text, event_time timestamptz, claim_key text, body_offset int, body_bytes int
      )
      join source_heads as h on h.source_id = r.source_id
  ), claimed as (
    insert into claims as c (source_id, key, message_id, claimed_at)
    select i.source_id, i.claim_key, i.id, i.received_at
      from input as i
     where i.claim_key is not null
     order by i.source_id, i.claim_key
        on conflict (source_id, key) do update
       set message_id = excluded.message_id, claimed_at = excluded.claimed_at
     where c.claimed_at < excluded.claimed_at - interval '${claimWindow}'
    returning c.message_id
  ), accepted as (
    select i.*, row_number() over (partition by i.source_id order by i.place) as rise
      from input as i
     where i.claim_key is null
        or i.id in (select c.message_id from claimed as c)
  ), stored as (
    insert into messages (
      source_id, sequence, id, project_id, received_at, method, path, query, headers, content_type, remote_address,
      body, event_id, event_source, event_type, event_subject, event_time)
    select h.source_id, h.last_sequence + a.rise, a.id, a.project_id, a.received_at, a.method, a.path, a.query,
           a.headers, a.content_type, a.remote_address, substring($2::bytea from a.body_offset + 1 for a.body_bytes),
           a.event_id, a.event_source, a.event_type, a.event_subject, a.event_time
      from accepted as a
      join source_heads as h on h.source_id = a.source_id
    returning id, source_id, sequence
  ), moved as (
    update source_heads as h
       set last_sequence = s.last_sequence
      from (select s.source_id, max(s.sequence) as last_sequence from stored as s group by s.source_id) as s
     where h.source_id = s.source_id
  )
  select s.id, s.sequence from stored as s`

function recordsOf(batch: readonly Recordable[]): object[] {
  let offset = 0
  return batch.map(({ message, claimKey }, place) => {
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
      claim_key: claimKey,
      body_offset: bodyOffset,
      body_bytes: message.body.length,
    }
  })
}

function bodiesOf(batch: readonly Recordable[]): Buffer {
  return Buffer.concat(batch.map((item) => item.message.body))
}
