import type { Sql } from '../db/sql.ts'
import type { EndpointId } from '../kernel/ids.ts'
import type { FailureKind } from './judge-history.ts'

/** What went wrong most often lately: of at most 1,000 failed attempts, of the latest deliveries. The three first, at most. */
export async function readRecentFailures(sql: Sql, endpointId: EndpointId): Promise<FailureKind[]> {
  return await sql.query(recentText, [endpointId])
}

// The bound on deliveries looked at holds however many wait unattempted.
// Indexes: deliveries_endpoint_id_id_index, attempts_delivery_id_id_index.
const recentText = `
  with looked as materialized (
    select d.id, d.attempt_count
      from deliveries as d
     where d.endpoint_id = $1::text
     order by d.id desc
     limit 10000
  ), attempted as materialized (
    select l.id
      from looked as l
     where l.attempt_count > 0
     order by l.id desc
     limit 200
  )
  select a.failure, a.status, count(*)::int as count
    from attempted as d
   cross join lateral (
     select x.failure, x.status
       from attempts as x
      where x.delivery_id = d.id
        and x.failure is not null
        and x.started_at >= now() - interval '24 hours'
      order by x.id desc
      limit 5) as a
   group by a.failure, a.status
   order by count(*) desc, a.failure, a.status
   limit 3`
