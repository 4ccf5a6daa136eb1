import type { Sql } from '../db/sql.ts'
import type { MessageId, ProjectId, SourceId } from '../kernel/ids.ts'
import type { LogHead } from '../live/log-reader.ts'
import type { StoredMessage } from './message.ts'

/** A page ends at the first of these bounds, but holds one message at least. */
export interface PageLimits {
  readonly maxRows: number
  /** Body bytes. */
  readonly maxBytes: number
}

/** Where a page begins: beside a message of this sequence, whether there is one or not. */
export interface LogPlace {
  readonly sourceId: SourceId
  readonly sequence: number
}

export type LogOrder = 'newest-first' | 'oldest-first'

/** All of a message but its body. */
export interface MessageHead extends Omit<StoredMessage, 'body'> {
  readonly body: null
  readonly bodyBytes: number
}

export interface FoundMessages {
  /** In no order. */
  readonly messages: StoredMessage[]
  /** Whether some were left out because of their bytes. */
  readonly isCut: boolean
}

/**
 * All reading of messages. The recorder alone writes them. What lies below the floor of its log is not there any more,
 * even while its row still waits to be deleted.
 */
export interface MessageStore {
  /** In no order; sources that are gone are left out. */
  heads(sourceIds: readonly SourceId[]): Promise<LogHead[]>
  /** What follows a sequence, oldest first. */
  page(sourceId: SourceId, afterSequence: number, limits: PageLimits): Promise<StoredMessage[]>
  /**
   * A page of each log, in one statement. The bound on bytes is that of all pages together: the first ones may leave
   * nothing for the last.
   */
  pages(places: readonly LogPlace[], order: LogOrder, limits: PageLimits): Promise<StoredMessage[][]>
  /** The same without the bodies. The bound on bytes is one on header fields. */
  pagesWithoutBodies(places: readonly LogPlace[], order: LogOrder, limits: PageLimits): Promise<MessageHead[][]>
  /**
   * The first message that is kept and was received at or after a time; the one to come where there is none, or no source.
   * Exact as long as messages are not stored more than 10 s out of the order in which they were received.
   */
  firstSequenceSince(sourceId: SourceId, since: Date): Promise<number>
  /** Those that are gone or another project's are left out, and what exceeds the bytes; one is given at least. */
  byIds(projectId: ProjectId, ids: readonly MessageId[], maxBytes: number): Promise<FoundMessages>
}

export function createMessageStore(sql: Sql): MessageStore {
  return {
    async heads(sourceIds) {
      const rows = await sql.query<HeadRow>(headsText, [sourceIds], 'messages-heads')
      return rows.map((row) => ({
        sourceId: row.source_id,
        logEpoch: row.log_epoch,
        firstSequence: row.first_sequence,
        lastSequence: row.last_sequence,
      }))
    },
    async page(sourceId, afterSequence, { maxRows, maxBytes }) {
      const values = [sourceId, afterSequence, maxRows, maxBytes]
      return (await sql.query<MessageRow>(pageText, values, 'messages-page')).map(messageOf)
    },
    async pages(places, order, limits) {
      const rows = await readPages<MessageRow>(sql, pagesText(order, bodies), { places, limits })
      return rows.map((page) => page.map(messageOf))
    },
    async pagesWithoutBodies(places, order, limits) {
      const rows = await readPages<HeadedRow>(sql, pagesText(order, headers), { places, limits })
      return rows.map((page) => page.map(headOf))
    },
    async firstSequenceSince(sourceId, since) {
      const [found] = await sql.query<{ sequence: number }>(sinceText, [sourceId, since])
      return found?.sequence ?? 1
    },
    async byIds(projectId, ids, maxBytes) {
      const rows = await sql.query<MessageRow & { found: number }>(byIdsText, [projectId, ids, maxBytes])
      return { messages: rows.map(messageOf), isCut: rows.length < (rows[0]?.found ?? 0) }
    },
  }
}

interface PlacedRow {
  /** Which of the places it belongs to, counted from 1. */
  readonly place: number
}

async function readPages<Row extends object>(
  sql: Sql,
  text: string,
  { places, limits }: { places: readonly LogPlace[]; limits: PageLimits },
): Promise<Row[][]> {
  const values = [places.map((p) => p.sourceId), places.map((p) => p.sequence), limits.maxRows, limits.maxBytes]
  const byPlace = Map.groupBy(await sql.query<Row & PlacedRow>(text, values), (row) => row.place)
  return places.map((_, index) => byPlace.get(index + 1) ?? [])
}

interface HeadRow {
  source_id: SourceId
  log_epoch: string
  first_sequence: number
  last_sequence: number
}

// Index: source_heads_pkey.
const headsText = `
  select h.source_id, h.log_epoch, h.first_sequence, h.last_sequence
    from source_heads as h
   where h.source_id = any($1::text[])`

const headColumns = `
  m.id, m.project_id, m.source_id, m.sequence, m.received_at, m.method, m.path, m.query, m.headers, m.content_type,
  m.remote_address, m.event_id, m.event_source, m.event_type, m.event_subject, m.event_time,
  m.event_data_schema, m.event_extensions, m.schema_violation`
const columns = `${headColumns}, m.body`

/** What pages hold, and whose bytes bound them. The length of a column is known without reading it. */
const bodies = { columns, bounding: 'body' } as const
const headers = { columns: `${headColumns}, octet_length(m.body) as body_bytes`, bounding: 'headers' } as const

// One page of a source's log. Sequence breaks no ties because it is unique per source; the running sum ends the page
// by bytes without reading the bodies beyond. Indexes: messages_pkey, source_heads_pkey.
const pageText = `
  select ${columns}
    from (select m.*, sum(octet_length(m.body)) over (order by m.sequence rows unbounded preceding) as bytes
            from messages as m
           where m.source_id = $1::text
             and m.sequence > $2::bigint
             and m.sequence >= (select h.first_sequence from source_heads as h where h.source_id = $1::text)
           order by m.sequence
           limit $3::int) as m
   where m.bytes - octet_length(m.body) < $4::bigint
   order by m.sequence`

// A page per place; the running sum goes on from page to page. Indexes: messages_pkey, source_heads_pkey.
function pagesText(order: LogOrder, part: typeof bodies | typeof headers): string {
  const [comparison, direction] = order === 'newest-first' ? ['<', 'desc'] : ['>', 'asc']
  return `
  select ${part.columns}, m.place
    from (select l.*, place.number as place,
                 sum(octet_length(l.${part.bounding})) over (order by place.number, l.sequence ${direction}
                                                 rows unbounded preceding) as bytes
            from unnest($1::text[], $2::bigint[]) with ordinality as place (source_id, sequence, number)
            join source_heads as h on h.source_id = place.source_id
           cross join lateral (
             select *
               from messages as x
              where x.source_id = place.source_id
                and x.sequence ${comparison} place.sequence
                and x.sequence >= h.first_sequence
              order by x.sequence ${direction}
              limit $3::int) as l) as m
   where m.bytes - octet_length(m.${part.bounding}) < $4::bigint
   order by m.place, m.sequence ${direction}`
}

// Halves the kept part of the log until two neighbours are found of which the earlier was received more than 10 s before
// the time, and by that all that stand before it were too early. From there on the messages are looked at one by one.
// Indexes: messages_pkey, source_heads_pkey.
const sinceText = `
  with recursive head as materialized (
    select h.source_id, h.first_sequence, h.last_sequence
      from source_heads as h
     where h.source_id = $1::text
  ), search (low, high) as (
    select h.first_sequence - 1, h.last_sequence + 1
      from head as h
    union all
    select case when probe.is_early then q.middle else q.low end,
           case when probe.is_early then q.high else q.middle end
      from (select x.low, x.high, (x.low + x.high) / 2 as middle
              from search as x
             where x.high - x.low > 1) as q
     cross join lateral (
       select coalesce(bool_and(m.received_at < $2::timestamptz - interval '10 seconds'), true) as is_early
         from messages as m
        where m.source_id = $1::text
          and m.sequence = q.middle) as probe
  )
  select coalesce((select m.sequence
                     from messages as m
                    where m.source_id = $1::text
                      and m.sequence > (select max(x.low) from search as x)
                      and m.received_at >= $2::timestamptz
                    order by m.sequence
                    limit 1), h.last_sequence + 1) as sequence
    from head as h`

// Indexes: messages_id_unique, source_heads_pkey.
const byIdsText = `
  select ${columns}, m.found
    from (select m.*, count(*) over () as found,
                 sum(octet_length(m.body)) over (order by m.id rows unbounded preceding) as bytes
            from messages as m
            join source_heads as h on h.source_id = m.source_id
           where m.id = any($2::text[])
             and m.project_id = $1::text
             and m.sequence >= h.first_sequence) as m
   where m.bytes - octet_length(m.body) < $3::bigint`

interface MessageRow {
  id: MessageId
  project_id: ProjectId
  source_id: SourceId
  sequence: number
  received_at: Date
  method: string
  path: string | null
  query: string | null
  headers: string
  content_type: string | null
  remote_address: string
  body: Buffer
  event_id: string | null
  event_source: string | null
  event_type: string | null
  event_subject: string | null
  event_time: Date | null
  event_data_schema: string | null
  event_extensions: string | null
  schema_violation: string | null
}

interface HeadedRow extends Omit<MessageRow, 'body'> {
  body_bytes: number
}

/** What a row takes beside its body and headers, roughly. */
const rowOverheadBytes = 500

function messageOf(row: MessageRow): StoredMessage {
  return {
    id: row.id,
    projectId: row.project_id,
    sourceId: row.source_id,
    sequence: row.sequence,
    receivedAt: row.received_at,
    method: row.method,
    path: row.path,
    query: row.query,
    headersText: row.headers,
    contentType: row.content_type,
    remoteAddress: row.remote_address,
    body: row.body,
    eventId: row.event_id,
    eventSource: row.event_source,
    eventType: row.event_type,
    eventSubject: row.event_subject,
    eventTime: row.event_time,
    eventDataSchema: row.event_data_schema,
    eventExtensions: row.event_extensions,
    schemaViolation: row.schema_violation,
    sizeBytes: row.body.length + row.headers.length + rowOverheadBytes,
  }
}

const noBody = Buffer.alloc(0)

function headOf({ body_bytes: bodyBytes, ...row }: HeadedRow): MessageHead {
  return { ...messageOf({ ...row, body: noBody }), body: null, bodyBytes }
}
