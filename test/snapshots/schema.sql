create table api_keys (
  id text not null,
  project_id text not null,
  name text not null,
  secret_hash bytea not null,
  scopes text[] not null,
  source_ids text[],
  created_at timestamp with time zone not null,
  expires_at timestamp with time zone,
  revoked_at timestamp with time zone,
  constraint api_keys_pkey PRIMARY KEY (id),
  constraint api_keys_project_id_foreign FOREIGN KEY (project_id) REFERENCES projects(id)
);
CREATE INDEX api_keys_project_id_id_index ON public.api_keys USING btree (project_id, id);

create table attempts (
  id text not null,
  delivery_id text not null,
  number integer not null,
  started_at timestamp with time zone not null,
  duration_ms integer,
  status integer,
  response_headers text,
  response_body bytea,
  is_truncated boolean,
  announced_bytes bigint,
  failure text,
  failure_detail text,
  constraint attempts_pkey PRIMARY KEY (id)
);
CREATE INDEX attempts_delivery_id_id_index ON public.attempts USING btree (delivery_id, id);

create table claims (
  source_id text not null,
  key text not null,
  message_id text not null,
  claimed_at timestamp with time zone not null,
  sequence bigint,
  body_hash bytea,
  expires_at timestamp with time zone not null default (now() + '24:00:00'::interval),
  constraint claims_pkey PRIMARY KEY (source_id, key)
);
CREATE INDEX claims_expires_at_index ON public.claims USING btree (expires_at);

create table configuration_epoch (
  id integer not null,
  epoch bigint not null,
  constraint configuration_epoch_id_check CHECK ((id = 1)),
  constraint configuration_epoch_pkey PRIMARY KEY (id)
);

create table deliveries (
  id text not null,
  project_id text not null,
  source_id text not null,
  sequence bigint not null,
  message_id text not null,
  endpoint_id text not null,
  status text not null,
  attempt_count integer not null default 0,
  next_attempt_at timestamp with time zone,
  created_at timestamp with time zone not null,
  updated_at timestamp with time zone not null,
  message_dropped_at timestamp with time zone,
  operation_id text,
  retries_from integer not null default 0,
  constraint deliveries_pkey PRIMARY KEY (id)
) with (fillfactor=80);
CREATE INDEX deliveries_dead_letters_index ON public.deliveries USING btree (project_id, id) WHERE (status = ANY (ARRAY['failed'::text, 'canceled'::text]));
CREATE INDEX deliveries_due_index ON public.deliveries USING btree (endpoint_id, next_attempt_at) WHERE (next_attempt_at IS NOT NULL);
CREATE INDEX deliveries_endpoint_id_id_index ON public.deliveries USING btree (endpoint_id, id);
CREATE INDEX deliveries_message_dropped_at_index ON public.deliveries USING btree (message_dropped_at) WHERE (message_dropped_at IS NOT NULL);
CREATE INDEX deliveries_order_index ON public.deliveries USING btree (endpoint_id, source_id, sequence) WHERE (next_attempt_at IS NOT NULL);
CREATE INDEX deliveries_project_id_id_index ON public.deliveries USING btree (project_id, id);
CREATE UNIQUE INDEX deliveries_message_id_endpoint_id_operation_id_index ON public.deliveries USING btree (message_id, endpoint_id, operation_id) NULLS NOT DISTINCT;

create table endpoint_states (
  endpoint_id text not null,
  project_id text not null,
  lease_number bigint not null default 0,
  leased_by text,
  lease_expires_at timestamp with time zone,
  status text not null default 'active'::text,
  disabled_reason text,
  active_since timestamp with time zone,
  consecutive_failures integer not null default 0,
  failing_since timestamp with time zone,
  breaker text not null default 'closed'::text,
  probe_failures integer not null default 0,
  next_probe_at timestamp with time zone,
  throttled_until timestamp with time zone,
  rate_log text,
  constraint endpoint_states_pkey PRIMARY KEY (endpoint_id)
) with (fillfactor=50);

create table endpoints (
  id text not null,
  project_id text not null,
  url text not null,
  description text,
  source_ids text[],
  created_at timestamp with time zone not null,
  labels text[] not null default '{}'::text[],
  method text not null default 'POST'::text,
  filter text,
  payload_format text not null default 'exact'::text,
  header_names text[] not null default '{}'::text[],
  sealed_headers text,
  authentication text,
  authentication_name text,
  sealed_credential text,
  signing text not null default 'standard-webhooks'::text,
  retry_delays_ms integer[],
  jitter_percent integer not null default 20,
  final_statuses integer[] not null default '{}'::integer[],
  timeout_ms integer not null default 15000,
  rate_limit jsonb,
  max_concurrency integer,
  is_ordered boolean not null default false,
  disable_after_hours integer default 120,
  constraint endpoints_pkey PRIMARY KEY (id),
  constraint endpoints_project_id_foreign FOREIGN KEY (project_id) REFERENCES projects(id)
);
CREATE INDEX endpoints_project_id_id_index ON public.endpoints USING btree (project_id, id);

create table event_types (
  id text not null,
  project_id text not null,
  name text not null,
  description text,
  schema text,
  on_violation text not null,
  is_deprecated boolean not null,
  created_at timestamp with time zone not null,
  constraint event_types_pkey PRIMARY KEY (id),
  constraint event_types_project_id_foreign FOREIGN KEY (project_id) REFERENCES projects(id),
  constraint event_types_project_id_name_unique UNIQUE (project_id, name)
);

create table fan_out_marks (
  source_id text not null,
  fanned_out_to bigint not null default 0,
  constraint fan_out_marks_pkey PRIMARY KEY (source_id)
) with (fillfactor=50);

create table former_tokens (
  token_hash bytea not null,
  source_id text not null,
  expires_at timestamp with time zone not null,
  constraint former_tokens_pkey PRIMARY KEY (token_hash)
);
CREATE INDEX former_tokens_source_id_index ON public.former_tokens USING btree (source_id);

create table fresh_counts (
  node_id text not null,
  minute timestamp with time zone not null,
  shard bigint not null,
  received bigint not null,
  refused bigint not null,
  created bigint not null,
  delivered bigint not null,
  failed bigint not null,
  retried bigint not null,
  attempts bigint not null,
  duration_ms bigint not null,
  histogram bigint[] not null,
  constraint fresh_counts_pkey PRIMARY KEY (node_id, minute, shard)
) with (fillfactor=50);

create table hookline_migrations (
  id integer not null default nextval('hookline_migrations_id_seq'::regclass),
  name character varying(255) not null,
  executed_at timestamp(6) with time zone not null default CURRENT_TIMESTAMP(6),
  constraint hookline_migrations_pkey PRIMARY KEY (id)
);

create table limit_notices (
  source_id text not null,
  reason text not null,
  told_at timestamp with time zone not null,
  constraint limit_notices_pkey PRIMARY KEY (source_id, reason),
  constraint limit_notices_source_id_foreign FOREIGN KEY (source_id) REFERENCES sources(id) ON DELETE CASCADE
);

create table listeners (
  id text not null,
  project_id text not null,
  api_key_id text not null,
  source_id text not null,
  name text not null,
  log_epoch text not null,
  acknowledged_sequence bigint not null,
  lease text,
  lease_expires_at timestamp with time zone,
  last_seen_at timestamp with time zone,
  created_at timestamp with time zone not null,
  constraint listeners_api_key_id_foreign FOREIGN KEY (api_key_id) REFERENCES api_keys(id) ON DELETE CASCADE,
  constraint listeners_api_key_id_name_unique UNIQUE (api_key_id, name),
  constraint listeners_pkey PRIMARY KEY (id),
  constraint listeners_source_id_foreign FOREIGN KEY (source_id) REFERENCES sources(id) ON DELETE CASCADE
) with (fillfactor=50);
CREATE INDEX listeners_project_id_name_id_index ON public.listeners USING btree (project_id, name, id);
CREATE INDEX listeners_source_id_index ON public.listeners USING btree (source_id);

create table master_keys (
  id text not null,
  check_value text not null,
  created_at timestamp with time zone not null,
  constraint master_keys_pkey PRIMARY KEY (id)
);

create table messages (
  source_id text not null,
  sequence bigint not null,
  id text not null,
  project_id text not null,
  received_at timestamp with time zone not null,
  method text not null,
  path text,
  query text,
  headers text not null,
  content_type text,
  remote_address text not null,
  body bytea not null,
  event_id text,
  event_source text,
  event_type text,
  event_subject text,
  event_time timestamp with time zone,
  event_data_schema text,
  event_extensions text,
  schema_violation text,
  log_bytes bigint not null default 0,
  constraint messages_id_unique UNIQUE (id),
  constraint messages_pkey PRIMARY KEY (source_id, sequence)
);

create table operations (
  id text not null,
  project_id text not null,
  api_key_id text not null,
  source_ids text[],
  kind text not null,
  status text not null,
  input text not null,
  progress text not null,
  total_count bigint,
  done_count bigint not null default 0,
  skipped_count bigint not null default 0,
  failure_detail text,
  created_at timestamp with time zone not null,
  updated_at timestamp with time zone not null,
  finished_at timestamp with time zone,
  constraint operations_pkey PRIMARY KEY (id)
) with (fillfactor=50);
CREATE INDEX operations_project_id_id_index ON public.operations USING btree (project_id, id);
CREATE INDEX operations_running_index ON public.operations USING btree (project_id) WHERE (finished_at IS NULL);

create table projects (
  id text not null,
  name text not null,
  created_at timestamp with time zone not null,
  rate_limit jsonb,
  retention jsonb,
  constraint projects_name_unique UNIQUE (name),
  constraint projects_pkey PRIMARY KEY (id)
);

create table refusals (
  id text not null,
  project_id text not null,
  source_id text not null,
  refused_at timestamp with time zone not null,
  reason text not null,
  detail text not null,
  status integer not null,
  method text not null,
  remote_address text not null,
  body_bytes bigint not null,
  signature text,
  signed_content_digest text,
  clock_skew_ms bigint,
  constraint refusals_pkey PRIMARY KEY (id)
);
CREATE INDEX refusals_source_id_id_index ON public.refusals USING btree (source_id, id);

create table rollups (
  node_id text not null,
  span text not null,
  starts_at timestamp with time zone not null,
  received bigint not null,
  refused bigint not null,
  created bigint not null,
  delivered bigint not null,
  failed bigint not null,
  retried bigint not null,
  attempts bigint not null,
  duration_ms bigint not null,
  histogram bigint[] not null,
  constraint rollups_pkey PRIMARY KEY (node_id, span, starts_at)
);
CREATE INDEX rollups_span_starts_at_index ON public.rollups USING btree (span, starts_at);

create table secrets (
  id text not null,
  owner_id text not null,
  sealed text not null,
  hint text not null,
  created_at timestamp with time zone not null,
  expires_at timestamp with time zone,
  public_key text,
  constraint secrets_pkey PRIMARY KEY (id)
);
CREATE INDEX secrets_owner_id_id_index ON public.secrets USING btree (owner_id, id);

create table source_heads (
  source_id text not null,
  project_id text not null,
  log_epoch text not null,
  first_sequence bigint not null default 1,
  last_sequence bigint not null default 0,
  log_bytes bigint not null default 0,
  constraint source_heads_pkey PRIMARY KEY (source_id)
) with (fillfactor=50);

create table sources (
  id text not null,
  project_id text not null,
  name text not null,
  token_hash bytea,
  token_sealed text,
  verification_preset text,
  max_body_bytes integer not null,
  created_at timestamp with time zone not null,
  verification_options jsonb,
  is_paused boolean not null default false,
  allowed_methods text[] not null default '{GET,POST}'::text[],
  allowed_networks text[] not null default '{}'::text[],
  requires_json boolean not null default false,
  mapping jsonb,
  duplicate_window_ms integer not null default 86400000,
  rate_limit jsonb,
  retention jsonb,
  accepted_response jsonb,
  is_system boolean not null default false,
  constraint sources_pkey PRIMARY KEY (id),
  constraint sources_project_id_foreign FOREIGN KEY (project_id) REFERENCES projects(id),
  constraint sources_project_id_name_unique UNIQUE (project_id, name),
  constraint sources_token_hash_unique UNIQUE (token_hash)
);
CREATE UNIQUE INDEX sources_system_index ON public.sources USING btree (project_id) WHERE is_system;

create table stream_tickets (
  ticket_hash bytea not null,
  key_id text not null,
  source_ids text[] not null,
  expires_at timestamp with time zone not null,
  constraint stream_tickets_pkey PRIMARY KEY (ticket_hash)
);
CREATE INDEX stream_tickets_expires_at_index ON public.stream_tickets USING btree (expires_at);

create table system_events (
  id bigint not null,
  project_id text not null,
  type text not null,
  subject text not null,
  data text not null,
  occurred_at timestamp with time zone not null default clock_timestamp(),
  constraint system_events_pkey PRIMARY KEY (id)
);
