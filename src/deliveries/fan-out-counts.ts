import type { Sql } from '../db/sql.ts'
import type { SourceId } from '../kernel/ids.ts'
import { registeredTypeOf } from '../messages/registered-type.ts'
import { countHappened, happenedColumns } from '../rollups/index.ts'
import type { DeliveryPair } from './match-endpoints.ts'

/*
 * Counts messages and the deliveries that were made of them. A message is counted by the statement that moves the mark
 * over it, and so once, whatever dies when; it counts for the minute in which it was received.
 *
 * This comes after drain tasks were left, and yet keeps the order of locks: a writer's rows are its own, so that whoever
 * holds some never waits for a task.
 */

/** Messages of one type, by its name; null stands for all types that are not registered. */
export interface Arrived {
  readonly eventType: string | null
  readonly count: number
}

/** What a step of fan-out went over. */
export interface FannedOut {
  readonly sourceId: SourceId
  /** The messages after this one … */
  readonly from: number
  /** … up to this one. */
  readonly to: number
  /** The deliveries that were made; `all`: one for each message and endpoint. */
  readonly created: readonly DeliveryPair[] | 'all'
  /** Where all were made: the endpoints. Those that are gone do not count. */
  readonly endpointIds: readonly string[]
  /** Who counts; one transaction at a time should do so under this name. */
  readonly writer: string
}

export async function moveMark(sql: Sql, fannedOut: FannedOut): Promise<Arrived[]> {
  const { sourceId, from, to, created, endpointIds, writer } = fannedOut
  const sequences = created === 'all' ? null : created.map((pair) => pair.sequence)
  const ids = created === 'all' ? endpointIds : created.map((pair) => pair.endpointId)
  return await sql.query(moveText, [sourceId, from, to, sequences, ids, writer])
}

/** Counts deliveries that a replay made. */
export async function countCreated(
  sql: Sql,
  {
    sourceId,
    created,
    writer,
  }: { readonly sourceId: SourceId; readonly created: readonly DeliveryPair[]; readonly writer: string },
): Promise<void> {
  if (created.length === 0) return
  const values = [sourceId, created.map((pair) => pair.sequence), created.map((pair) => pair.endpointId), writer]
  await sql.query(createdText, values)
}

// The states were locked before: an endpoint that has none is gone, and its deliveries were removed.
const isKept = (endpointId: string) => `exists (select from endpoint_states as s where s.endpoint_id = ${endpointId})`

const createdColumns = (from: string) =>
  happenedColumns(`${from}.project_id`, {
    source_id: '$1::text',
    endpoint_id: `${from}.endpoint_id`,
    event_type_id: `${from}.event_type_id`,
    created: `${from}.count`,
  })

// Indexes: fan_out_marks_pkey, messages_pkey, event_types_project_id_name_unique, endpoint_states_pkey.
const moveText = `
  with moved as (
    update fan_out_marks
       set fanned_out_to = $3::bigint
     where source_id = $1::text
  ), message as materialized (
    select m.sequence, m.project_id, date_trunc('minute', m.received_at, 'UTC') as minute, t.id as event_type_id,
           t.name as event_type
      from messages as m
      left join lateral (${registeredTypeOf('m')}) as t on true
     where m.source_id = $1::text
       and m.sequence > $2::bigint
       and m.sequence <= $3::bigint
  ), arrived as materialized (
    select m.project_id, m.minute, m.event_type_id, m.event_type, count(*) as count
      from message as m
     group by m.project_id, m.minute, m.event_type_id, m.event_type
  ), created as (
    select m.project_id, p.endpoint_id, m.event_type_id, count(*) as count
      from unnest($4::bigint[], $5::text[]) as p (sequence, endpoint_id)
      join message as m on m.sequence = p.sequence
     where $4::bigint[] is not null
       and ${isKept('p.endpoint_id')}
     group by m.project_id, p.endpoint_id, m.event_type_id
    union all
    select a.project_id, e.endpoint_id, a.event_type_id, a.count
      from arrived as a
     cross join unnest($5::text[]) as e (endpoint_id)
     where $4::bigint[] is null
       and ${isKept('e.endpoint_id')}
  ), happened as (
    select ${happenedColumns('a.project_id', {
      source_id: '$1::text',
      event_type_id: 'a.event_type_id',
      minute: 'a.minute',
      received: 'a.count',
    })}
      from arrived as a
    union all
    select ${createdColumns('c')}
      from created as c
  ), ${countHappened('$6::text')}
  select a.event_type as "eventType", sum(a.count)::int as count
    from arrived as a
   group by a.event_type`

// Indexes: messages_pkey, event_types_project_id_name_unique, endpoint_states_pkey.
const createdText = `
  with created as (
    select m.project_id, p.endpoint_id, t.id as event_type_id, count(*) as count
      from unnest($2::bigint[], $3::text[]) as p (sequence, endpoint_id)
      join messages as m on m.source_id = $1::text and m.sequence = p.sequence
      left join lateral (${registeredTypeOf('m')}) as t on true
     where ${isKept('p.endpoint_id')}
     group by m.project_id, p.endpoint_id, t.id
  ), happened as (
    select ${createdColumns('c')}
      from created as c
  ), ${countHappened('$4::text')}
  select`
