import { defineEntity, type InferEntity, p } from '@mikro-orm/postgresql'
import type { EndpointId, SourceId } from '../kernel/ids.ts'
import { ofProject } from '../projects/project.entity.ts'

/** An outbound HTTP destination. Who may send to it now is in `endpoint_states`. */
export const EndpointEntity = defineEntity({
  name: 'Endpoint',
  tableName: 'endpoints',
  indexes: [{ properties: ['projectId', 'id'] }],
  properties: {
    id: p.text().$type<EndpointId>().primary(),
    projectId: ofProject,
    url: p.text(),
    description: p.text().nullable(),
    /** The sources whose messages it gets; null when all of the project, also later ones. */
    sourceIds: p.array().columnType('text[]').$type<SourceId[]>().nullable(),
    createdAt: p.datetime().columnType('timestamptz'),
  },
})

export type Endpoint = InferEntity<typeof EndpointEntity>
