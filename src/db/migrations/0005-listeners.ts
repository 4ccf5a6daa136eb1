import { Migration } from '@mikro-orm/migrations'

/** Durable places in the logs of sources, kept for keys under names. */
export class Listeners extends Migration {
  override up(): void {
    for (const statement of listeners) this.addSql(statement)
  }
}

const listeners = [
  // A listener goes with its source and its key. Its place and its lease are written often, in the page: none of those
  // columns is in an index.
  `create table listeners (
     id                    text not null primary key,
     project_id            text not null,
     api_key_id            text not null,
     source_id             text not null,
     name                  text not null,
     log_epoch             text not null,
     acknowledged_sequence bigint not null,
     lease                 text null,
     lease_expires_at      timestamptz null,
     last_seen_at          timestamptz null,
     created_at            timestamptz not null,
     constraint listeners_api_key_id_name_unique unique (api_key_id, name),
     constraint listeners_api_key_id_foreign foreign key (api_key_id) references api_keys (id) on delete cascade,
     constraint listeners_source_id_foreign foreign key (source_id) references sources (id) on delete cascade
   ) with (fillfactor = 50)`,
  `create index listeners_project_id_name_id_index on listeners (project_id, name, id)`,
  `create index listeners_source_id_index on listeners (source_id)`,
]
