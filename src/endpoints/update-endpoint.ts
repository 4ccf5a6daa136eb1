import type { Reach } from '../auth/viewer.ts'
import { changeConfiguration } from '../db/configuration-epoch.ts'
import { done, invalid, type Outcome } from '../kernel/outcome.ts'
import type { Endpoint } from './endpoint.entity.ts'
import { type EndpointDeps, endpointNotFound, findOwnEndpoint } from './endpoint-configuration.ts'
import { checkEndpointInput, chosenFields, type EndpointInput } from './endpoint-input.ts'
import { checkFilterRoom } from './filter-room.ts'

/** A field that is undefined stays as it is. */
export interface UpdateEndpointInput extends EndpointInput {
  readonly id: string
}

/** Changes an endpoint. Attempts that are under way end as they began; later ones go by the new values. */
export async function updateEndpoint(
  deps: EndpointDeps,
  reach: Reach,
  input: UpdateEndpointInput,
): Promise<Outcome<Endpoint>> {
  return await changeConfiguration(deps, reach.projectId, async (unit) => {
    const endpoint = await findOwnEndpoint(unit, reach, input.id)
    if (endpoint === null) return endpointNotFound(input.id)
    const { issues, url } = await checkEndpointInput({ sql: unit.sql, reach, guard: deps.guard }, input, endpoint)
    const failure = invalid(issues)
    if (failure !== null) return failure
    const full = await checkFilterRoom(unit.sql, { ...reach, endpointId: endpoint.id, filter: input.filter })
    if (full !== null) return full
    Object.assign(endpoint, chosenFields(deps.sealer, endpoint.id, { ...input, url }))
    return done(endpoint)
  })
}
