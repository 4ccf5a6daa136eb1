import type { Reach } from '../auth/viewer.ts'
import { type ConfigurationDeps, changeConfiguration } from '../db/configuration-epoch.ts'
import type { EndpointId } from '../kernel/ids.ts'
import { done, type Outcome } from '../kernel/outcome.ts'
import type { TaskQueue } from '../queue/index.ts'
import { removeSecrets } from '../secrets/secret-store.ts'
import { endpointNotFound, findOwnEndpoint } from './endpoint-configuration.ts'
import { purgeEndpoint } from './purge-endpoint.task.ts'

export interface DeleteEndpointDeps extends ConfigurationDeps {
  readonly queue: Pick<TaskQueue, 'enqueue' | 'wake'>
}

/**
 * Deletes an endpoint. Its open deliveries, which may be many, are canceled in small steps by a task that the same
 * transaction leaves; its finished ones stay.
 */
export async function deleteEndpoint(
  deps: DeleteEndpointDeps,
  reach: Reach,
  input: { readonly id: string },
): Promise<Outcome<{ readonly deletedId: EndpointId }>> {
  const outcome = await changeConfiguration(deps, reach.projectId, async (unit) => {
    const endpoint = await findOwnEndpoint(unit, reach, input.id)
    if (endpoint === null) return endpointNotFound(input.id)
    await unit.em.remove(endpoint).flush()
    await removeSecrets(unit.sql, endpoint.id)
    // Without its state nobody can take the lease to send to it any more.
    await unit.sql.query(`delete from endpoint_states where endpoint_id = $1::text`, [endpoint.id])
    await deps.queue.enqueue(unit.sql, purgeEndpoint, [{ payload: { endpointId: endpoint.id } }])
    return done({ deletedId: endpoint.id })
  })
  if (outcome.kind === 'done') deps.queue.wake(purgeEndpoint)
  return outcome
}
