import { Migration } from '@mikro-orm/migrations'

/** What an endpoint gets, in which form, signed how, tried how often; how it is doing; work on many deliveries at once. */
export class Outbound extends Migration {
  override up(): void {
    for (const statement of [...endpoints, ...secrets, ...endpointStates, ...deliveries, ...operations])
      this.addSql(statement)
  }
}

// What each endpoint that is there already does: POST, exact bytes, Standard Webhooks.
const endpoints = [
  `alter table endpoints
     add column labels              text[] not null default '{}',
     add column method              text not null default 'POST',
     add column filter              text null,
     add column payload_format      text not null default 'exact',
     add column header_names        text[] not null default '{}',
     add column sealed_headers      text null,
     add column authentication      text null,
     add column authentication_name text null,
     add column sealed_credential   text null,
     add column signing             text not null default 'standard-webhooks',
     add column retry_delays_ms     int[] null,
     add column jitter_percent      int not null default 20,
     add column final_statuses      int[] not null default '{}',
     add column timeout_ms          int not null default 15000,
     add column rate_limit          jsonb null,
     add column max_concurrency     int null,
     add column is_ordered          boolean not null default false,
     add column disable_after_hours int null default 120`,
]

// The public half of an ed25519 secret, so that showing it opens nothing.
const secrets = [`alter table secrets add column public_key text null`]

// What settling and draining change. All of it is written under the row's lock, in the page: no index holds any.
const endpointStates = [
  `alter table endpoint_states
     add column status               text not null default 'active',
     add column disabled_reason      text null,
     add column active_since         timestamptz null,
     add column consecutive_failures int not null default 0,
     add column failing_since        timestamptz null,
     add column breaker              text not null default 'closed',
     add column probe_failures       int not null default 0,
     add column next_probe_at        timestamptz null,
     add column throttled_until      timestamptz null,
     add column rate_log             text null`,
]

const deliveries = [
  `alter table deliveries
     add column operation_id text null,
     add column retries_from int not null default 0`,
  // One delivery on receipt, and one for each replay.
  `alter table deliveries drop constraint deliveries_message_id_endpoint_id_unique`,
  `create unique index deliveries_message_id_endpoint_id_operation_id_index
     on deliveries (message_id, endpoint_id, operation_id) nulls not distinct`,
  // Dead letters, of which there are few: what is attempted again is looked for among them.
  `create index deliveries_dead_letters_index on deliveries (project_id, id) where status in ('failed', 'canceled')`,
  // What an ordered endpoint may not pass.
  `create index deliveries_order_index on deliveries (endpoint_id, source_id, sequence) where next_attempt_at is not null`,
]

const operations = [
  `create table operations (
     id             text not null primary key,
     project_id     text not null,
     api_key_id     text not null,
     source_ids     text[] null,
     kind           text not null,
     status         text not null,
     input          text not null,
     progress       text not null,
     total_count    bigint null,
     done_count     bigint not null default 0,
     skipped_count  bigint not null default 0,
     failure_detail text null,
     created_at     timestamptz not null,
     updated_at     timestamptz not null,
     finished_at    timestamptz null
   ) with (fillfactor = 50)`,
  `create index operations_project_id_id_index on operations (project_id, id)`,
  // Only what is under way: its number is bounded per project, and maintenance looks for what has no task.
  `create index operations_running_index on operations (project_id) where finished_at is null`,
]
