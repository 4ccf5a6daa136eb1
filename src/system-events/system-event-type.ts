/** The types of system events, as messages have them. They are explained in docs/system-events.md. */
export type SystemEventType =
  | 'hookline.endpoint.disabled'
  | 'hookline.delivery.exhausted'
  | 'hookline.breaker.opened'
  | 'hookline.breaker.closed'
  | 'hookline.source.limit_reached'
