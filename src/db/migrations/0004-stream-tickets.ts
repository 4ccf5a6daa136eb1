import { Migration } from '@mikro-orm/migrations'

/** Tickets that open one event stream each, for readers that cannot send a key. */
export class StreamTickets extends Migration {
  override up(): void {
    // ticket_hash: SHA-256 of the ticket. source_ids: what it opens. Rows live for a minute or two.
    this.addSql(`create table stream_tickets (
      ticket_hash bytea not null primary key,
      key_id      text not null,
      source_ids  text[] not null,
      expires_at  timestamptz not null
    )`)
    this.addSql(`create index stream_tickets_expires_at_index on stream_tickets (expires_at)`)
  }
}
