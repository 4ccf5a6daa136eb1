import { isSystemSource } from '../sources/system-source.ts'
import { insertSystemEvents, isoTime, systemEventType } from '../system-events/index.ts'

/*
 * What settling has to tell, as parts of its statement (see settle.ts for what the names stand for): rows of the outbox,
 * and nothing that waits for anybody. Most batches have nothing to tell. Deliveries of system events never have.
 */

/** SQL: tells of the deliveries that the batch gave up. */
export const tellOfExhausted = insertSystemEvents(
  `select d.project_id, ${systemEventType('hookline.delivery.exhausted')} as type, d.id as subject,
          json_build_object(
            'deliveryId', d.id, 'endpointId', d.endpoint_id, 'sourceId', d.source_id, 'messageId', d.message_id,
            'sequence', d.sequence, 'attemptCount', d.attempt_count,
            'lastAttempt', json_build_object(
              'id', j.attempt_id, 'number', j.number, 'startedAt', ${isoTime('j.started_at')},
              'status', j.response_status, 'failure', j.failure, 'failureDetail', j.failure_detail)) as data
     from decided as d
     join judged as j on j.delivery_id = d.id and j.is_decisive
    where d.status = 'failed'
      and not ${isSystemSource('d.source_id')}
    order by d.id`,
)

/** SQL: tells of the breakers that the batch opened or closed. */
export const tellOfBreakers = insertSystemEvents(
  `select j.project_id, n.endpoint_id as subject,
          case n.breaker when 'open' then ${systemEventType('hookline.breaker.opened')}
                         else ${systemEventType('hookline.breaker.closed')} end as type,
          case n.breaker
            when 'open' then json_build_object(
              'endpointId', n.endpoint_id, 'consecutiveFailureCount', n.consecutive_failures,
              'failingSince', ${isoTime('n.failing_since')}, 'nextProbeAt', ${isoTime('n.next_probe_at')})
            else json_build_object('endpointId', n.endpoint_id, 'failingSince', ${isoTime('n.failing_before')})
          end as data
     from next_state as n
    cross join lateral (
            select j.project_id
              from judged as j
             where j.endpoint_id = n.endpoint_id
               and j.counts
               and not ${isSystemSource('j.source_id')}
             limit 1) as j
    where n.breaker <> n.breaker_before
    order by n.endpoint_id`,
)
