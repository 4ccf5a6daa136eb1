import type { Sql } from '../db/sql.ts'
import { maySendTo } from '../endpoints/endpoint-state.ts'
import { listensTo } from '../endpoints/listens-to.ts'
import {
  type DeliveryId,
  type EndpointId,
  newId,
  type OperationId,
  type ProjectId,
  type SourceId,
} from '../kernel/ids.ts'
import type { DeliveryPair, FilteringEndpoint } from './match-endpoints.ts'

export interface Head {
  readonly projectId: ProjectId
  readonly lastSequence: number
}

/** Waits for whoever is recording (one batch, even under load). @returns null when the source is gone. */
export async function readHead(sql: Sql, sourceId: SourceId): Promise<Head | null> {
  const [row] = await sql.query<Head>(headText, [sourceId], 'fan-out-head')
  return row ?? null
}

/** @returns how far the source is fanned out; null when it is gone. */
export async function lockMark(sql: Sql, sourceId: SourceId): Promise<number | null> {
  const [row] = await sql.query<{ fanned_out_to: number }>(markText, [sourceId], 'fan-out-lock-mark')
  return row?.fanned_out_to ?? null
}

/** Those that listen to a source, in order of id. */
export async function readListening(
  sql: Sql,
  { projectId, sourceId }: { projectId: ProjectId; sourceId: SourceId },
): Promise<FilteringEndpoint[]> {
  return await sql.query(endpointsText, [projectId, sourceId], 'fan-out-endpoints')
}

/** @returns empty when the source is gone. */
export async function readSourceName(sql: Sql, sourceId: SourceId): Promise<string> {
  const [row] = await sql.query<{ name: string }>(sourceText, [sourceId], 'fan-out-source')
  return row?.name ?? ''
}

/**
 * One delivery for each message of a range and each endpoint, without reading the messages. Those that exist already stay
 * as they are.
 *
 * @returns the ids of all, in order of sequence.
 */
export async function insertForAll(
  sql: Sql,
  input: {
    readonly sourceId: SourceId
    readonly from: number
    readonly to: number
    readonly endpointIds: readonly EndpointId[]
  },
): Promise<DeliveryId[]> {
  const { sourceId, from, to, endpointIds } = input
  const ids = Array.from({ length: (to - from) * endpointIds.length }, () => newId('dlv'))
  await sql.query(insertForAllText, [sourceId, from, to, endpointIds, ids])
  return ids
}

/**
 * One delivery for each pair. Those that exist already, of the same operation or on receipt, stay as they are; messages
 * that are gone get none.
 *
 * @param operationId of the replay that they belong to; null on receipt.
 * @returns those that were made, in no order.
 */
export async function insertDeliveries(
  sql: Sql,
  input: {
    readonly sourceId: SourceId
    readonly pairs: readonly DeliveryPair[]
    readonly operationId: OperationId | null
  },
): Promise<CreatedDelivery[]> {
  const { sourceId, pairs, operationId } = input
  if (pairs.length === 0) return []
  return await sql.query(insertText, [
    sourceId,
    pairs.map((pair) => pair.sequence),
    pairs.map((pair) => pair.endpointId),
    pairs.map(() => newId('dlv')),
    operationId,
  ])
}

export interface CreatedDelivery extends DeliveryPair {
  readonly id: DeliveryId
}

/** An endpoint that still exists. */
export interface LockedState {
  readonly endpointId: EndpointId
  /** Whether someone drains it now. */
  readonly isLeased: boolean
  /** Whether it may be sent to. Where not, whoever lets it be sent to again sees to it that it is drained. */
  readonly maySend: boolean
}

export async function lockStates(sql: Sql, endpointIds: readonly EndpointId[]): Promise<LockedState[]> {
  return await sql.query(statesText, [endpointIds], 'fan-out-lock-states')
}

export async function removeDeliveries(
  sql: Sql,
  ids: readonly DeliveryId[],
  endpointIds: readonly EndpointId[],
): Promise<void> {
  await sql.query(`delete from deliveries where id = any($1::text[]) and endpoint_id = any($2::text[])`, [
    ids,
    endpointIds,
  ])
}

// `for share` conflicts with the lock under which the recorder gives sequences, and not with other readers. This
// transaction writes nothing that matters: without waiting for the disk it lets go of the recorder's row at once.
const headText = `
  with relaxed as materialized (select set_config('synchronous_commit', 'off', true))
  select h.project_id as "projectId", h.last_sequence as "lastSequence"
    from source_heads as h
   cross join relaxed
   where h.source_id = $1::text
     for share of h`

const markText = `
  select m.fanned_out_to
    from fan_out_marks as m
   where m.source_id = $1::text
     for update`

// In order, so that equal steps write equal rows. Index: endpoints_project_id_id_index.
const endpointsText = `
  select e.id, e.filter
    from endpoints as e
   where e.project_id = $1::text
     and ${listensTo('e', '$2::text')}
   order by e.id`

// Index: sources_pkey.
const sourceText = `
  select s.name
    from sources as s
   where s.id = $1::text`

// Ids are given by place, so that they rise with the sequence. Index: messages_pkey.
const insertForAllText = `
  insert into deliveries (id, project_id, source_id, sequence, message_id, endpoint_id, status, attempt_count,
                          next_attempt_at, created_at, updated_at)
  select i.id, m.project_id, m.source_id, m.sequence, m.id, e.id, 'pending', 0, now(), now(), now()
    from messages as m
   cross join unnest($4::text[]) with ordinality as e (id, place)
    join unnest($5::text[]) with ordinality as i (id, place)
      on i.place = (m.sequence - $2::bigint - 1) * cardinality($4::text[]) + e.place
   where m.source_id = $1::text
     and m.sequence > $2::bigint
     and m.sequence <= $3::bigint
   order by i.place
      on conflict (message_id, endpoint_id, operation_id) do nothing`

// Ids rise with the sequence, as the pairs do. Index: messages_pkey.
const insertText = `
  insert into deliveries (id, project_id, source_id, sequence, message_id, endpoint_id, operation_id, status,
                          attempt_count, next_attempt_at, created_at, updated_at)
  select p.id, m.project_id, m.source_id, m.sequence, m.id, p.endpoint_id, $5::text, 'pending', 0, now(), now(), now()
    from unnest($2::bigint[], $3::text[], $4::text[]) as p (sequence, endpoint_id, id)
    join messages as m
      on m.source_id = $1::text
     and m.sequence = p.sequence
   order by p.id
      on conflict (message_id, endpoint_id, operation_id) do nothing
  returning id, sequence, endpoint_id as "endpointId"`

// The clock and not now(): a lease that was let go of while we waited for the row must not look held.
const statesText = `
  select s.endpoint_id as "endpointId", coalesce(s.lease_expires_at > clock_timestamp(), false) as "isLeased",
         ${maySendTo('s', 'clock_timestamp()')} as "maySend"
    from endpoint_states as s
   where s.endpoint_id = any($1::text[])
   order by s.endpoint_id
     for no key update`
