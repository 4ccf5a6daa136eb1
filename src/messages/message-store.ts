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

/** All reading of messages. The recorder alone writes them. */
export interface MessageStore {
  /** In no order; sources that are gone are left out. */
  heads(sourceIds: readonly SourceId[]): Promise<LogHead[]>
  /** What follows a sequence, oldest first. */
  page(sourceId: SourceId, afterSequence: number, limits: PageLimits): Promise<StoredMessage[]>
  /** What precedes a sequence, newest first. */
  pageBackwards(sourceId: SourceId, beforeSequence: number, limits: PageLimits): Promise<StoredMessage[]>
  /** In no order; those that are gone or another project's are left out. */
  byIds(projectId: ProjectId, ids: readonly MessageId[]): Promise<StoredMessage[]>
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
      return (await sql.query<MessageRow>(pageText('>', 'asc'), values, 'messages-page')).map(messageOf)
    },
    async pageBackwards(sourceId, beforeSequence, { maxRows, maxBytes }) {
      const values = [sourceId, beforeSequence, maxRows, maxBytes]
      return (await sql.query<MessageRow>(pageText('<', 'desc'), values, 'messages-page-backwards')).map(messageOf)
    },
    async byIds(projectId, ids) {
      return (await sql.query<MessageRow>(byIdsText, [projectId, ids], 'messages-by-ids')).map(messageOf)
    },
  }
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

const columns = `
  m.id, m.project_id, m.source_id, m.sequence, m.received_at, m.method, m.path, m.query, m.headers, m.content_type,
  m.remote_address, m.body, m.event_id, m.event_source, m.event_type, m.event_subject, m.event_time`

// One page of a source's log. Sequence breaks no ties because it is unique per source; the running sum ends the page
// by bytes without reading the bodies beyond. Index: messages_pkey.
function pageText(comparison: '>' | '<', direction: 'asc' | 'desc'): string {
  return `
  select ${columns}
    from (select m.*, sum(octet_length(m.body)) over (order by m.sequence ${direction} rows unbounded preceding) as bytes
            from messages as m
           where m.source_id = $1::text
             and m.sequence ${comparison} $2::bigint
           order by m.sequence ${direction}
           limit $3::int) as m
   where m.bytes - octet_length(m.body) < $4::bigint
   order by m.sequence ${direction}`
}

// Index: messages_id_unique.
const byIdsText = `
  select ${columns}
    from messages as m
   where m.id = any($2::text[])
     and m.project_id = $1::text`

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
    sizeBytes: row.body.length + row.headers.length + rowOverheadBytes,
  }
}
