import type { Reach } from '../auth/viewer.ts'
import { type ConfigurationDeps, changeConfiguration } from '../db/configuration-epoch.ts'
import { done, type Outcome } from '../kernel/outcome.ts'
import type { TaskQueue } from '../queue/index.ts'
import { drainTask, drainTaskFor } from './drain.task.ts'
import type { Endpoint } from './endpoint.entity.ts'
import { endpointNotFound, findOwnEndpoint } from './endpoint-configuration.ts'
import { resume } from './endpoint-state.ts'

export interface ResumeEndpointDeps extends ConfigurationDeps {
  readonly queue: Pick<TaskQueue, 'enqueue' | 'wake'>
}

/**
 * Attempts an endpoint's deliveries again, whatever held them back: pause, disabling, a throttle or the breaker. What it
 * was found to be doing before counts no more.
 */
export async function resumeEndpoint(
  deps: ResumeEndpointDeps,
  reach: Reach,
  input: { readonly id: string },
): Promise<Outcome<Endpoint>> {
  const outcome = await changeConfiguration(deps, reach.projectId, async (unit) => {
    const endpoint = await findOwnEndpoint(unit, reach, input.id)
    if (endpoint === null) return endpointNotFound(input.id)
    await resume(unit.sql, endpoint.id)
    await deps.queue.enqueue(unit.sql, drainTask, [drainTaskFor(endpoint.id)])
    return done(endpoint)
  })
  if (outcome.kind === 'done') deps.queue.wake(drainTask)
  return outcome
}
