import type { Sql } from '../db/sql.ts'
import type { DeliveryId, EndpointId, ProjectId, SourceId } from '../kernel/ids.ts'

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

export async function readMatchingEndpoints(
  sql: Sql,
  { projectId, sourceId }: { projectId: ProjectId; sourceId: SourceId },
): Promise<EndpointId[]> {
  const rows = await sql.query<{ id: EndpointId }>(endpointsText, [projectId, sourceId], 'fan-out-endpoints')
  return rows.map((row) => row.id)
}

/** @param input `ids` holds one id per message and endpoint, in this order. Those that exist already stay as they are. */
export async function insertDeliveries(
  sql: Sql,
  input: {
    readonly sourceId: SourceId
    readonly from: number
    readonly to: number
    readonly endpointIds: readonly EndpointId[]
    readonly ids: readonly DeliveryId[]
  },
): Promise<void> {
  const { sourceId, from, to, endpointIds, ids } = input
  await sql.query(insertText, [sourceId, from, to, endpointIds, ids])
}

/** @returns the endpoints that still exist, and whether someone drains them now. */
export async function lockStates(
  sql: Sql,
  endpointIds: readonly EndpointId[],
): Promise<{ endpointId: EndpointId; isLeased: boolean }[]> {
  return await sql.query(statesText, [endpointIds], 'fan-out-lock-states')
}

export async function moveMark(sql: Sql, sourceId: SourceId, to: number): Promise<void> {
  await sql.query(moveText, [sourceId, to], 'fan-out-move-mark')
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
  select e.id
    from endpoints as e
   where e.project_id = $1::text
     and (e.source_ids is null or $2::text = any(e.source_ids))
   order by e.id`

// Ids are given by place, so that they rise with the sequence. Index: messages_pkey.
const insertText = `
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

// The clock and not now(): a lease that was let go of while we waited for the row must not look held.
const statesText = `
  select s.endpoint_id as "endpointId", coalesce(s.lease_expires_at > clock_timestamp(), false) as "isLeased"
    from endpoint_states as s
   where s.endpoint_id = any($1::text[])
   order by s.endpoint_id
     for no key update`

const moveText = `
  update fan_out_marks
     set fanned_out_to = $2::bigint
   where source_id = $1::text`
