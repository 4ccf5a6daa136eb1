import { keptSourceIds } from '../auth/source-limit.ts'
import type { Reach } from '../auth/viewer.ts'
import { changeConfiguration } from '../db/configuration-epoch.ts'
import type { UnitOfWork } from '../db/transaction.ts'
import { newId } from '../kernel/ids.ts'
import { done, invalid, type Outcome } from '../kernel/outcome.ts'
import type { Sealer } from '../secrets/index.ts'
import { addSecret } from '../secrets/secret-store.ts'
import { generateSecret } from '../signatures/standard-webhooks.ts'
import { type Endpoint, EndpointEntity } from './endpoint.entity.ts'
import type { EndpointDeps } from './endpoint-configuration.ts'
import { checkEndpointInput, type EndpointInput } from './endpoint-input.ts'

export interface CreateEndpointInput extends EndpointInput {
  readonly url: string
}

export interface CreatedEndpoint {
  readonly endpoint: Endpoint
  /** The signing secret in clear. Told this once: from then on it is sealed. */
  readonly secret: string
}

/** Fan-out matches every message against all endpoints of its project. */
const maxEndpoints = 10_000

/** Creates an endpoint; it gets the messages that are fanned out from then on. */
export async function createEndpoint(
  deps: EndpointDeps & { readonly sealer: Sealer },
  reach: Reach,
  input: CreateEndpointInput,
): Promise<Outcome<CreatedEndpoint>> {
  return await changeConfiguration(deps, reach.projectId, async (unit) => {
    const context = { sql: unit.sql, reach, guard: deps.guard }
    // A list that is left out counts as given: it means all sources, which not every caller may choose.
    const { issues, url } = await checkEndpointInput(context, { ...input, sourceIds: input.sourceIds ?? null })
    const failure = invalid(issues)
    if (failure !== null) return failure
    const count = await unit.em.count(EndpointEntity, { projectId: reach.projectId })
    if (count >= maxEndpoints) return { kind: 'limit-reached', limit: maxEndpoints, path: ['input'] }
    const endpoint = await insertEndpoint(unit, reach, { ...input, url: url ?? input.url })
    const secret = input.secret ?? generateSecret()
    addSecret(unit, deps.sealer, { ownerId: endpoint.id, text: secret })
    return done({ endpoint, secret })
  })
}

async function insertEndpoint({ em, sql }: UnitOfWork, reach: Reach, input: CreateEndpointInput): Promise<Endpoint> {
  const endpoint = em.create(EndpointEntity, {
    id: newId('ept'),
    projectId: reach.projectId,
    url: input.url,
    description: input.description ?? null,
    sourceIds: keptSourceIds(input.sourceIds),
    createdAt: new Date(),
  })
  em.persist(endpoint)
  await sql.query(`insert into endpoint_states (endpoint_id, project_id) values ($1::text, $2::text)`, [
    endpoint.id,
    reach.projectId,
  ])
  return endpoint
}
