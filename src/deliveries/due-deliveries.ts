import type { Sql } from '../db/sql.ts'
import { maySendTo } from '../endpoints/endpoint-state.ts'
import type { DeliveryId, EndpointId, ProjectId } from '../kernel/ids.ts'
import type { SentMessage } from './payload-form.ts'
import { dueText, headsText } from './sendable.ts'

/** A delivery that is due, with what its request is made of. */
export interface DueDelivery {
  readonly id: DeliveryId
  /** Of the attempt to be made. */
  readonly attemptNumber: number
  /** The same, counted since its retries last began afresh: the retry policy goes by it. */
  readonly attemptOfRound: number
  /** It is to show whether anybody answers: until it has, nothing else may go. */
  readonly isProbe: boolean
  /** Null when it is gone: there is nothing to send any more. */
  readonly message: SentMessage | null
}

/** A page ends at the first of these bounds, but holds one delivery at least. */
export interface DueLimits {
  readonly maxRows: number
  /** Body bytes. */
  readonly maxBytes: number
}

export interface DueQuery extends DueLimits {
  readonly endpointId: EndpointId
  /** Those already under way. */
  readonly except: readonly DeliveryId[]
  /** Of each source only the first that is not finished, and not before all up to it has been fanned out. */
  readonly isOrdered: boolean
  readonly first: 'longest-due' | 'latest-due'
}

/** What may be sent to an endpoint now: nothing while it is held back. */
export async function readDue(sql: Sql, query: DueQuery): Promise<DueDelivery[]> {
  const { endpointId, except, isOrdered, first, maxRows, maxBytes } = query
  const text = texts[isOrdered ? 'ordered' : 'unordered'][first]
  const rows = await sql.query<DueRow>(text, [endpointId, except, maxRows, maxBytes])
  return rows.map(dueDeliveryOf)
}

function dueDeliveryOf({ deliveryId, attemptCount, retriesFrom, isProbe, body, ...row }: DueRow): DueDelivery {
  // Of a message that is gone all columns are null; of any other only those that may be.
  const message = body === null ? null : { ...row, body }
  const attemptNumber = attemptCount + 1
  return { id: deliveryId, attemptNumber, attemptOfRound: attemptNumber - retriesFrom, isProbe, message }
}

/** Calls off what has nothing to send. */
export async function cancelOpen(
  sql: Sql,
  ids: readonly DeliveryId[],
): Promise<{ id: DeliveryId; projectId: ProjectId }[]> {
  return await sql.query(cancelText, [ids])
}

interface DueRow extends Omit<SentMessage, 'body'> {
  deliveryId: DeliveryId
  attemptCount: number
  retriesFrom: number
  isProbe: boolean
  body: Buffer | null
}

// The id breaks the ties of one fan-out, in order of sequence. The running sum ends the page by bytes without reading
// the bodies beyond. Indexes: deliveries_due_index, messages_pkey, sources_pkey.
const pageText = (picked: string) => `
  select d.id as "deliveryId", d.attempt_count as "attemptCount", d.retries_from as "retriesFrom",
         ${stateOf(`s.breaker = 'open'`)} as "isProbe", d.message_id as id, d.received_at as "receivedAt",
         d.content_type as "contentType", d.body, d.event_id as "eventId", d.event_source as "eventSource",
         d.event_type as "eventType", d.event_subject as "eventSubject", d.event_time as "eventTime",
         d.event_data_schema as "eventDataSchema", d.event_extensions as "eventExtensions",
         coalesce((select s.name from sources as s where s.id = d.source_id), d.source_id) as "sourceName"
    from (select d.*, m.received_at, m.content_type, m.body, m.event_id, m.event_source, m.event_type,
                 m.event_subject, m.event_time, m.event_data_schema, m.event_extensions,
                 sum(octet_length(m.body)) over (order by d.next_attempt_at, d.id rows unbounded preceding) as bytes
            from (${picked}) as d
            left join messages as m on m.source_id = d.source_id and m.sequence = d.sequence) as d
   where d.body is null
      or d.bytes - octet_length(d.body) < $4::bigint
   order by d.next_attempt_at, d.id`

const stateOf = (value: string) => `(select ${value} from endpoint_states as s where s.endpoint_id = $1::text)`

// What holds the endpoint back is looked at once, before anything is read.
const maySend = stateOf(maySendTo('s'))
const sendable = `${maySend} and d.id <> all($2::text[])`

const texts = {
  unordered: {
    'longest-due': pageText(`${dueText('$1::text')} and ${sendable} order by d.next_attempt_at, d.id limit $3::int`),
    'latest-due': pageText(
      `${dueText('$1::text')} and ${sendable} order by d.next_attempt_at desc, d.id desc limit $3::int`,
    ),
  },
  ordered: {
    'longest-due': pageText(headsPage('')),
    'latest-due': pageText(headsPage('desc')),
  },
}

// What is under way holds up its source, and not only itself: it may be the head no more, since one of a lower sequence
// was replayed or it was called off.
function headsPage(direction: '' | 'desc'): string {
  return `
    select d.*
      from (${headsText('$1::text')}) as d
     where d.next_attempt_at <= now()
       and ${maySend}
       and d.source_id <> all(array(select u.source_id from deliveries as u where u.id = any($2::text[])))
     order by d.next_attempt_at ${direction}, d.id ${direction}
     limit $3::int`
}

// Index: deliveries_pkey.
const cancelText = `
  with open as materialized (
    select d.id
      from deliveries as d
     where d.id = any($1::text[])
       and d.next_attempt_at is not null
     order by d.id
       for no key update
  )
  update deliveries as d
     set status = 'canceled', next_attempt_at = null, updated_at = now(), message_dropped_at = now()
    from open as o
   where d.id = o.id
  returning d.id, d.project_id as "projectId"`
