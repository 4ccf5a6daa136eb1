import { ApiKeyEntity } from './auth/api-key.entity.ts'
import { EndpointEntity } from './endpoints/endpoint.entity.ts'
import { EventTypeEntity } from './event-types/event-type.entity.ts'
import { ProjectEntity } from './projects/project.entity.ts'
import { SecretEntity } from './secrets/secret.entity.ts'
import { SourceEntity } from './sources/source.entity.ts'

/** The tables of configuration. The hot tables have no entities: all access to them is SQL, in their domain's store. */
export const entities = [ProjectEntity, ApiKeyEntity, SourceEntity, EndpointEntity, SecretEntity, EventTypeEntity]
