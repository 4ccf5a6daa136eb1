import { defaultEventType } from './event-defaults.ts'

/**
 * SQL: the catalogue's entry for a message's type, as `id` and `name`; no row when the type is not registered.
 * Index: event_types_project_id_name_unique.
 *
 * @param message the name that a row of `messages` has in the query.
 */
export function registeredTypeOf(message: string): string {
  return `select t.id, t.name
            from event_types as t
           where t.project_id = ${message}.project_id
             and t.name = coalesce(${message}.event_type, '${defaultEventType}')
           limit 1`
}

/**
 * SQL: the same of a delivery; no row either when its message is gone. The limit keeps the planner from reading the
 * tables whole. Indexes: messages_pkey, event_types_project_id_name_unique.
 *
 * @param delivery the name that a row of `deliveries` has in the query.
 */
export function registeredTypeOfDelivery(delivery: string): string {
  return `select t.id, t.name
            from (select m.project_id, m.event_type
                    from messages as m
                   where m.source_id = ${delivery}.source_id
                     and m.sequence = ${delivery}.sequence
                   limit 1) as m
           cross join lateral (${registeredTypeOf('m')}) as t`
}
