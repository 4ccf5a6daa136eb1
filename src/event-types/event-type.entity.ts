import { defineEntity, type InferEntity, p } from '@mikro-orm/postgresql'
import type { EventTypeId } from '../kernel/ids.ts'
import { ofProject } from '../projects/project.entity.ts'

/** What happens to an event that breaks its type's schema: it is turned away, or its message says so. */
export type SchemaViolationPolicy = 'REFUSE' | 'FLAG'

export const EventTypeEntity = defineEntity({
  name: 'EventType',
  tableName: 'event_types',
  uniques: [{ properties: ['projectId', 'name'] }],
  properties: {
    id: p.text().$type<EventTypeId>().primary(),
    projectId: ofProject,
    name: p.text(),
    description: p.text().nullable(),
    /** JSON text; null when any data will do. */
    schema: p.text().nullable(),
    onViolation: p.text().$type<SchemaViolationPolicy>(),
    isDeprecated: p.boolean(),
    createdAt: p.datetime().columnType('timestamptz'),
  },
})

export type EventType = InferEntity<typeof EventTypeEntity>
