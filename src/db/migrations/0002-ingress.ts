import { Migration } from '@mikro-orm/migrations'

/** What a source asks of its senders, who was turned away, what events there are, and how long messages stay. */
export class Ingress extends Migration {
  override up(): void {
    for (const statement of [...configuration, ...eventTypes, ...log, ...refusals]) this.addSql(statement)
  }
}

const configuration = [
  `alter table projects
     add column rate_limit jsonb null,
     add column retention  jsonb null`,
  // verification_options holds the rules of every scheme but the presets'; of a preset only what it needs beyond its name.
  `alter table sources
     add column verification_options jsonb null,
     add column is_paused            boolean not null default false,
     add column allowed_methods      text[] not null default '{GET,POST}',
     add column allowed_networks     text[] not null default '{}',
     add column requires_json        boolean not null default false,
     add column mapping              jsonb null,
     add column duplicate_window_ms  int not null default 86400000,
     add column rate_limit           jsonb null,
     add column retention            jsonb null,
     add column accepted_response    jsonb null`,
  // Tokens that were replaced and still open their source for a while.
  `create table former_tokens (
     token_hash bytea not null primary key,
     source_id  text not null,
     expires_at timestamptz not null
   )`,
  `create index former_tokens_source_id_index on former_tokens (source_id)`,
]

const eventTypes = [
  // The schema is a client's JSON and stays text: its numbers must not grow in a jsonb.
  `create table event_types (
     id            text not null primary key,
     project_id    text not null,
     name          text not null,
     description   text null,
     schema        text null,
     on_violation  text not null,
     is_deprecated boolean not null,
     created_at    timestamptz not null,
     constraint event_types_project_id_foreign foreign key (project_id) references projects (id),
     constraint event_types_project_id_name_unique unique (project_id, name)
   )`,
]

const log = [
  // log_bytes: the body bytes of a source's messages up to and including this one, whether these are kept or not.
  `alter table source_heads add column log_bytes bigint not null default 0`,
  `alter table messages
     add column event_data_schema text null,
     add column event_extensions  text null,
     add column schema_violation  text null,
     add column log_bytes         bigint not null default 0`,
  // body_hash: of the body that the key came with, where the same key with another body is a mistake.
  `alter table claims
     add column sequence   bigint null,
     add column body_hash  bytea null,
     add column expires_at timestamptz not null default now() + interval '24 hours'`,
  `create index claims_expires_at_index on claims (expires_at)`,
  `drop index claims_claimed_at_index`,
]

const refusals = [
  // The latest of each source only; see the refusal log.
  `create table refusals (
     id                    text not null primary key,
     project_id            text not null,
     source_id             text not null,
     refused_at            timestamptz not null,
     reason                text not null,
     detail                text not null,
     status                int not null,
     method                text not null,
     remote_address        text not null,
     body_bytes            bigint not null,
     signature             text null,
     signed_content_digest text null,
     clock_skew_ms         bigint null
   )`,
  `create index refusals_source_id_id_index on refusals (source_id, id)`,
]
