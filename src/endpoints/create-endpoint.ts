import type { Reach } from '../auth/viewer.ts'
import { changeConfiguration } from '../db/configuration-epoch.ts'
import type { UnitOfWork } from '../db/transaction.ts'
import { newId } from '../kernel/ids.ts'
import { done, invalid, type Outcome } from '../kernel/outcome.ts'
import { addSecret } from '../secrets/secret-store.ts'
import { type Endpoint, EndpointEntity, type SigningScheme } from './endpoint.entity.ts'
import type { EndpointDeps } from './endpoint-configuration.ts'
import { checkEndpointInput, chosenFields, type EndpointInput } from './endpoint-input.ts'
import { checkFilterRoom } from './filter-room.ts'
import { checkSigningSecret, generateSigningSecret, publicKeyOf } from './signing-secret.ts'

export interface CreateEndpointInput extends EndpointInput {
  readonly url: string
  /** Standard Webhooks when left out. */
  readonly signing?: SigningScheme | undefined
  /** In the form that the scheme asks for; left out: generated. */
  readonly secret?: string | null | undefined
}

export interface CreatedEndpoint {
  readonly endpoint: Endpoint
  /** The signing secret in clear. Told this once: from then on it is sealed. */
  readonly secret: string
  /** What receivers verify by, `whpk_…`; null where that is the secret. */
  readonly publicKey: string | null
}

/** Fan-out matches every message against all endpoints of its project. */
const maxEndpoints = 10_000

/** Creates an endpoint; it gets the messages that are fanned out from then on. */
export async function createEndpoint(
  deps: EndpointDeps,
  reach: Reach,
  input: CreateEndpointInput,
): Promise<Outcome<CreatedEndpoint>> {
  const signing = input.signing ?? 'standard-webhooks'
  return await changeConfiguration(deps, reach.projectId, async (unit) => {
    const context = { sql: unit.sql, reach, guard: deps.guard }
    // A list that is left out counts as given: it means all sources, which not every caller may choose.
    const whole = { ...input, sourceIds: input.sourceIds ?? null }
    const { issues, url } = await checkEndpointInput(context, whole, null)
    const failure = invalid([...issues, ...checkSigningSecret(signing, input.secret, ['input', 'secret'])])
    if (failure !== null) return failure
    const count = await unit.em.count(EndpointEntity, { projectId: reach.projectId })
    if (count >= maxEndpoints) return { kind: 'limit-reached', limit: maxEndpoints, path: ['input'] }
    const full = await checkFilterRoom(unit.sql, { ...reach, endpointId: null, filter: input.filter })
    if (full !== null) return full
    const endpoint = await insertEndpoint(unit, deps, reach, { ...whole, url: url ?? input.url, signing })
    const secret = input.secret ?? generateSigningSecret(signing)
    const publicKey = publicKeyOf(secret)
    addSecret(unit, deps.sealer, { ownerId: endpoint.id, text: secret, publicKey })
    return done({ endpoint, secret, publicKey })
  })
}

async function insertEndpoint(
  { em, sql }: UnitOfWork,
  { sealer }: EndpointDeps,
  reach: Reach,
  input: CreateEndpointInput & { readonly signing: SigningScheme },
): Promise<Endpoint> {
  const id = newId('ept')
  const endpoint = em.create(EndpointEntity, {
    description: null,
    ...chosenFields(sealer, id, input),
    id,
    projectId: reach.projectId,
    url: input.url,
    signing: input.signing,
    createdAt: new Date(),
  })
  em.persist(endpoint)
  await sql.query(`insert into endpoint_states (endpoint_id, project_id) values ($1::text, $2::text)`, [
    endpoint.id,
    reach.projectId,
  ])
  return endpoint
}
