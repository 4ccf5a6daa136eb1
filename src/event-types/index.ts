/**
 * The catalogue of what can happen: event types by name, some with a JSON Schema of their data. Events of other types are
 * accepted too.
 *
 * Types are registered as a whole; a schema is compiled before it is stored. Events are checked in a process of their own
 * (schema-process.ts), because a tenant's schema may take for ever: there a check that takes too long harms itself alone.
 */
export { createEventSchemas, type EventSchemas, type SchemaVerdict } from './event-schemas.ts'
export { type EventType, EventTypeEntity, type SchemaViolationPolicy } from './event-type.entity.ts'
export { type EventTypeInput, maxEntries } from './event-type-input.ts'
export { createEventTypeStore, type EventTypeStore } from './event-type-store.ts'
export { type RegisterEventTypesInput, type RegisteredEventTypes, registerEventTypes } from './register-event-types.ts'
