import type { Reach } from '../auth/viewer.ts'
import { type ConfigurationDeps, changeConfiguration } from '../db/configuration-epoch.ts'
import { done, type Outcome } from '../kernel/outcome.ts'
import type { Endpoint } from './endpoint.entity.ts'
import { endpointNotFound, findOwnEndpoint } from './endpoint-configuration.ts'
import { pause } from './endpoint-state.ts'

/** Lets an endpoint's deliveries wait: they are created, and sent when it is resumed. What is under way ends as it began. */
export async function pauseEndpoint(
  deps: ConfigurationDeps,
  reach: Reach,
  input: { readonly id: string },
): Promise<Outcome<Endpoint>> {
  return await changeConfiguration(deps, reach.projectId, async (unit) => {
    const endpoint = await findOwnEndpoint(unit, reach, input.id)
    if (endpoint === null) return endpointNotFound(input.id)
    await pause(unit.sql, endpoint.id)
    return done(endpoint)
  })
}
