import { createHash, randomBytes } from 'node:crypto'
import type { Sql } from '../db/sql.ts'
import type { ApiKeyId, SourceId } from '../kernel/ids.ts'

/** What a ticket stands for. */
export interface StreamTicket {
  readonly keyId: ApiKeyId
  readonly sourceIds: readonly SourceId[]
}

/** Tickets hold in every process, and open one stream each. */
export interface StreamTickets {
  /** @returns the ticket, which is told this once: only its hash is stored. It ends after 60 seconds. */
  create(ticket: StreamTicket): Promise<{ readonly text: string; readonly expiresAt: Date }>
  /** Uses a ticket up. @returns null for what is no ticket, or was one. */
  redeem(text: string): Promise<StreamTicket | null>
}

const ticketBytes = 32
const ticketPattern = /^[A-Za-z0-9_-]{43}$/
const lifetimeSeconds = 60

export function createStreamTickets(sql: Sql): StreamTickets {
  return {
    async create({ keyId, sourceIds }) {
      const text = randomBytes(ticketBytes).toString('base64url')
      const values = [hashOf(text), keyId, sourceIds, lifetimeSeconds]
      const [row] = await sql.query<{ expires_at: Date }>(createText, values)
      if (row === undefined) throw new Error('a ticket was not stored')
      return { text, expiresAt: row.expires_at }
    },
    async redeem(text) {
      if (!ticketPattern.test(text)) return null
      const [row] = await sql.query<{ key_id: ApiKeyId; source_ids: SourceId[] }>(redeemText, [hashOf(text)])
      return row === undefined ? null : { keyId: row.key_id, sourceIds: row.source_ids }
    },
  }
}

/** Of those that nobody used. @returns how many were removed; at most `limit`. */
export async function removeExpiredTickets(sql: Sql, limit: number): Promise<number> {
  return (await sql.query(expiredText, [limit])).length
}

// 256 random bits: there is nothing to guess that a slow hash would make dearer.
function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

// By the clock of the database, which all processes share.
const createText = `
  insert into stream_tickets (ticket_hash, key_id, source_ids, expires_at)
  values ($1::bytea, $2::text, $3::text[], now() + $4::int * interval '1 second')
  returning expires_at`

// Of two who come with one ticket, the second waits for the first one's deletion and then finds nothing.
// Index: stream_tickets_pkey.
const redeemText = `
  with used as (
    delete from stream_tickets as t
     where t.ticket_hash = $1::bytea
    returning t.key_id, t.source_ids, t.expires_at
  )
  select u.key_id, u.source_ids
    from used as u
   where u.expires_at > now()`

// Index: stream_tickets_expires_at_index.
const expiredText = `
  with expired as materialized (
    select t.ticket_hash
      from stream_tickets as t
     where t.expires_at < now()
     order by t.expires_at
     limit $1::int
       for update skip locked
  )
  delete from stream_tickets as t
   using expired as e
   where t.ticket_hash = e.ticket_hash
  returning t.ticket_hash`
