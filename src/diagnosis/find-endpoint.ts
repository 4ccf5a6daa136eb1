import type { Reach } from '../auth/viewer.ts'
import type { ActiveEndpoint, Endpoint, EndpointDirectory, EndpointStore } from '../endpoints/index.ts'
import { isId } from '../kernel/ids.ts'
import { version } from '../kernel/version.ts'

/** `User-Agent` of what is sent here, as of deliveries. */
export const userAgent = `Hookline/${version}`

export interface EndpointFinders {
  readonly endpoints: Pick<EndpointStore, 'byIds'>
  readonly activeEndpoints: EndpointDirectory
}

/** An endpoint as clients see it, and as it is sent to. */
export interface FoundEndpoint {
  readonly endpoint: Endpoint
  readonly active: ActiveEndpoint
}

/** @returns null when it does not exist within the caller's reach. */
export async function findEndpoint(deps: EndpointFinders, reach: Reach, id: string): Promise<FoundEndpoint | null> {
  if (!isId('ept', id)) return null
  const [endpoint] = await deps.endpoints.byIds(reach, [id])
  const active = endpoint === undefined ? null : await deps.activeEndpoints.byId(endpoint.id)
  return endpoint === undefined || active === null ? null : { endpoint, active }
}
