import type { Sql } from '../db/sql.ts'
import type { EventTypeId, ProjectId } from '../kernel/ids.ts'
import { createEpochCache, type Epochs } from '../live/epoch.ts'
import type { SchemaViolationPolicy } from './event-type.entity.ts'

/** A type that has a schema. */
export interface CheckedType {
  readonly id: EventTypeId
  readonly policy: SchemaViolationPolicy
}

export interface TypeSchema {
  /** Names this text: another one of the same type has another key. */
  readonly key: string
  /** JSON text. */
  readonly text: string
}

/** The catalogue on the hot path: read once, then from memory until the configuration changes. */
export interface SchemaDirectory {
  /** The types of a project that have a schema, by name. All at once, so that unknown names cost no query. */
  checkedTypes(projectId: ProjectId): Promise<ReadonlyMap<string, CheckedType>>
  /** @returns null when the type has none (any more). */
  schemaOf(id: EventTypeId): Promise<TypeSchema | null>
}

const maxCachedProjects = 1_000
/** Up to 64 KiB each. */
const maxCachedSchemas = 500

export function createSchemaDirectory({
  sql,
  epochs,
}: {
  sql: Sql
  epochs: Pick<Epochs, 'onChange'>
}): SchemaDirectory {
  const types = createEpochCache<ProjectId, ReadonlyMap<string, CheckedType>>({
    epochs,
    max: maxCachedProjects,
    load: (projectId) => loadTypes(sql, projectId),
  })
  const schemas = createEpochCache<EventTypeId, TypeSchema | null>({
    epochs,
    max: maxCachedSchemas,
    load: (id) => loadSchema(sql, id),
  })
  return { checkedTypes: (projectId) => types.get(projectId), schemaOf: (id) => schemas.get(id) }
}

async function loadTypes(sql: Sql, projectId: ProjectId): Promise<ReadonlyMap<string, CheckedType>> {
  // All of a project: registering bounds them. Index: event_types_project_id_name_unique.
  const rows = await sql.query<{ id: EventTypeId; name: string; on_violation: SchemaViolationPolicy }>(
    `select t.id, t.name, t.on_violation
       from event_types as t
      where t.project_id = $1::text
        and t.schema is not null`,
    [projectId],
    'event_types_with_schema',
  )
  return new Map(rows.map((row) => [row.name, { id: row.id, policy: row.on_violation }]))
}

async function loadSchema(sql: Sql, id: EventTypeId): Promise<TypeSchema | null> {
  // The row's version changes with every update, in the same snapshot as the text.
  const [row] = await sql.query<{ version: string; schema: string }>(
    `select t.xmin::text as version, t.schema from event_types as t where t.id = $1::text and t.schema is not null`,
    [id],
    'event_type_schema',
  )
  return row === undefined ? null : { key: `${id} ${row.version}`, text: row.schema }
}
