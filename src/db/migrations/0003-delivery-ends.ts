import { Migration } from '@mikro-orm/migrations'

/** Deliveries end some time after their messages, and what the first migration left counts like what came after it. */
export class DeliveryEnds extends Migration {
  override up(): void {
    for (const statement of [...deliveries, ...earlierRows]) this.addSql(statement)
  }
}

const deliveries = [
  // Null while the message is kept. The index holds only what waits for its end, so that live deliveries do not pay.
  `alter table deliveries add column message_dropped_at timestamptz null`,
  `create index deliveries_message_dropped_at_index on deliveries (message_dropped_at)
    where message_dropped_at is not null`,
]

const earlierRows = [
  // Each of these may read a long log once.
  `set local statement_timeout = 0`,
  `update deliveries as d
      set message_dropped_at = now()
    where d.next_attempt_at is null
      and not exists (select from messages as m where m.source_id = d.source_id and m.sequence = d.sequence)`,
  // The first version claimed nothing but events' ids, and wrote them as they were.
  `update claims as c
      set key = 'event:' || c.key
    where c.sequence is null
      and not exists (select from claims as x where x.source_id = c.source_id and x.key = 'event:' || c.key)`,
  // Nobody records while the messages that were never counted are: the places of new ones build on the head's.
  `lock table source_heads in exclusive mode`,
  `with counted as materialized (
     select m.source_id, m.sequence,
            sum(octet_length(m.body)) over (partition by m.source_id order by m.sequence) as bytes
       from messages as m
      where m.source_id in (select x.source_id from messages as x where x.log_bytes = 0 and octet_length(x.body) > 0)
   ), message as (
     update messages as m
        set log_bytes = c.bytes
       from counted as c
      where m.source_id = c.source_id
        and m.sequence = c.sequence
   )
   update source_heads as h
      set log_bytes = c.bytes
     from (select x.source_id, max(x.bytes) as bytes from counted as x group by x.source_id) as c
    where h.source_id = c.source_id`,
]
