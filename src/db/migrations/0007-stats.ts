import { Migration } from '@mikro-orm/migrations'

/** What happened to sources, endpoints, event types and projects, counted by time. */
export class Stats extends Migration {
  override up(): void {
    for (const statement of [...freshCounts, ...rollups]) this.addSql(statement)
  }
}

const counts = `
     received    bigint not null,
     refused     bigint not null,
     created     bigint not null,
     delivered   bigint not null,
     failed      bigint not null,
     retried     bigint not null,
     attempts    bigint not null,
     duration_ms bigint not null,
     histogram   bigint[] not null`

// What transactions add to; each writer has rows of its own, which are written over and over in the page.
const freshCounts = [
  `create table fresh_counts (
     node_id     text not null,
     minute      timestamptz not null,
     shard       bigint not null,${counts},
     primary key (node_id, minute, shard)
   ) with (fillfactor = 50)`,
]

// What they are folded into.
const rollups = [
  `create table rollups (
     node_id     text not null,
     span        text not null,
     starts_at   timestamptz not null,${counts},
     primary key (node_id, span, starts_at)
   )`,
  // What has had its time.
  `create index rollups_span_starts_at_index on rollups (span, starts_at)`,
]
