import { Migration } from '@mikro-orm/migrations'

/**
 * Configuration tables have entities; the hot tables (from `source_heads` on) are reached by SQL alone.
 * Hot tables hold no foreign keys: their rows are written in bulk, and are removed in small steps after their owner.
 */
export class First extends Migration {
  override up(): void {
    for (const statement of [...configuration, ...log, ...deliveries]) this.addSql(statement)
  }
}

const configuration = [
  `create table projects (
     id         text not null primary key,
     name       text not null,
     created_at timestamptz not null,
     constraint projects_name_unique unique (name)
   )`,
  `create table api_keys (
     id          text not null primary key,
     project_id  text not null,
     name        text not null,
     secret_hash bytea not null,
     scopes      text[] not null,
     source_ids  text[] null,
     created_at  timestamptz not null,
     expires_at  timestamptz null,
     revoked_at  timestamptz null,
     constraint api_keys_project_id_foreign foreign key (project_id) references projects (id)
   )`,
  `create index api_keys_project_id_id_index on api_keys (project_id, id)`,
  `create table sources (
     id                  text not null primary key,
     project_id          text not null,
     name                text not null,
     token_hash          bytea not null,
     token_sealed        text not null,
     verification_preset text null,
     max_body_bytes      int not null,
     created_at          timestamptz not null,
     constraint sources_project_id_foreign foreign key (project_id) references projects (id),
     constraint sources_project_id_name_unique unique (project_id, name),
     constraint sources_token_hash_unique unique (token_hash)
   )`,
  `create table endpoints (
     id          text not null primary key,
     project_id  text not null,
     url         text not null,
     description text null,
     source_ids  text[] null,
     created_at  timestamptz not null,
     constraint endpoints_project_id_foreign foreign key (project_id) references projects (id)
   )`,
  `create index endpoints_project_id_id_index on endpoints (project_id, id)`,
  // The secrets that verify a source's senders or sign an endpoint's deliveries; the newest is the current one.
  `create table secrets (
     id         text not null primary key,
     owner_id   text not null,
     sealed     text not null,
     hint       text not null,
     created_at timestamptz not null,
     expires_at timestamptz null
   )`,
  `create index secrets_owner_id_id_index on secrets (owner_id, id)`,
  `create table master_keys (
     id          text not null primary key,
     check_value text not null,
     created_at  timestamptz not null
   )`,
  // One row, incremented in the transaction of every change of configuration or keys.
  `create table configuration_epoch (
     id    int not null primary key check (id = 1),
     epoch bigint not null
   )`,
  `insert into configuration_epoch (id, epoch) values (1, 1)`,
]

const log = [
  // The recorder alone writes last_sequence, retention alone first_sequence. Room for in-page updates.
  `create table source_heads (
     source_id      text not null primary key,
     project_id     text not null,
     log_epoch      text not null,
     first_sequence bigint not null default 1,
     last_sequence  bigint not null default 0
   ) with (fillfactor = 50)`,
  `create table fan_out_marks (
     source_id     text not null primary key,
     fanned_out_to bigint not null default 0
   ) with (fillfactor = 50)`,
  `create table messages (
     source_id      text not null,
     sequence       bigint not null,
     id             text not null,
     project_id     text not null,
     received_at    timestamptz not null,
     method         text not null,
     path           text null,
     query          text null,
     headers        text not null,
     content_type   text null,
     remote_address text not null,
     body           bytea not null,
     event_id       text null,
     event_source   text null,
     event_type     text null,
     event_subject  text null,
     event_time     timestamptz null,
     constraint messages_pkey primary key (source_id, sequence),
     constraint messages_id_unique unique (id)
   )`,
  // Which message answers for an idempotency key or a sender's own event id.
  `create table claims (
     source_id  text not null,
     key        text not null,
     message_id text not null,
     claimed_at timestamptz not null,
     constraint claims_pkey primary key (source_id, key)
   )`,
  `create index claims_claimed_at_index on claims (claimed_at)`,
]

const deliveries = [
  `create table deliveries (
     id              text not null primary key,
     project_id      text not null,
     source_id       text not null,
     sequence        bigint not null,
     message_id      text not null,
     endpoint_id     text not null,
     status          text not null,
     attempt_count   int not null default 0,
     next_attempt_at timestamptz null,
     created_at      timestamptz not null,
     updated_at      timestamptz not null,
     constraint deliveries_message_id_endpoint_id_unique unique (message_id, endpoint_id)
   ) with (fillfactor = 80)`,
  `create index deliveries_due_index on deliveries (endpoint_id, next_attempt_at) where next_attempt_at is not null`,
  `create index deliveries_project_id_id_index on deliveries (project_id, id)`,
  `create index deliveries_endpoint_id_id_index on deliveries (endpoint_id, id)`,
  `create table attempts (
     id               text not null primary key,
     delivery_id      text not null,
     number           int not null,
     started_at       timestamptz not null,
     duration_ms      int null,
     status           int null,
     response_headers text null,
     response_body    bytea null,
     is_truncated     boolean null,
     announced_bytes  bigint null,
     failure          text null,
     failure_detail   text null
   )`,
  `create index attempts_delivery_id_id_index on attempts (delivery_id, id)`,
  // Who may send to an endpoint now. A lease number rises with each holder and fences the outcomes of earlier ones.
  `create table endpoint_states (
     endpoint_id      text not null primary key,
     project_id       text not null,
     lease_number     bigint not null default 0,
     leased_by        text null,
     lease_expires_at timestamptz null
   ) with (fillfactor = 50)`,
]
