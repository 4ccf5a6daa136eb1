import { Migration } from '@mikro-orm/migrations'

/** What the gateway itself has to tell: a built-in source in each project, and what waits to be recorded in it. */
export class SystemEvents extends Migration {
  override up(): void {
    for (const statement of [...sources, ...events]) this.addSql(statement)
  }
}

// A built-in source has no secret address. Those of the projects that are there are made at the next start.
const sources = [
  `alter table sources
     add column is_system boolean not null default false,
     alter column token_hash drop not null,
     alter column token_sealed drop not null`,
  `create unique index sources_system_index on sources (project_id) where is_system`,
]

const events = [
  // Written in the transaction of what happened, and gone once recorded. No foreign key: it would lock the project.
  `create table system_events (
     id          bigint generated always as identity primary key,
     project_id  text not null,
     type        text not null,
     subject     text not null,
     data        text not null,
     occurred_at timestamptz not null default clock_timestamp()
   )`,
  // When each limit of a source was last told of.
  `create table limit_notices (
     source_id text not null,
     reason    text not null,
     told_at   timestamptz not null,
     constraint limit_notices_pkey primary key (source_id, reason),
     constraint limit_notices_source_id_foreign foreign key (source_id) references sources (id) on delete cascade
   )`,
]
