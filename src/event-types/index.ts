/**
 * The catalogue of what can happen: event types by name, some with a JSON Schema of their data. Events of other types are
 * accepted too.
 */
export type { EventSchemas, SchemaVerdict } from './event-schemas.ts'
export { type EventType, EventTypeEntity, type SchemaViolationPolicy } from './event-type.entity.ts'
