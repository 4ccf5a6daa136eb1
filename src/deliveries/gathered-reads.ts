import type { DeliveryId, ProjectId } from '../kernel/ids.ts'
import type { Delivery } from './delivery.ts'

type Read = (projectId: ProjectId, ids: readonly DeliveryId[]) => Promise<Delivery[]>

interface Gathering {
  readonly ids: Set<DeliveryId>
  readonly found: Promise<ReadonlyMap<DeliveryId, Delivery>>
}

/**
 * Reads deliveries for many who ask for the same ones at the same moment, as all subscribers of a project do when a wake-up
 * names some: while one statement of a project runs, what is asked for meanwhile gathers for the next. No timers: one who
 * asks alone is answered at once. What is given was read after it was asked for.
 */
export function gatherReads(read: Read): Read {
  const gathering = new Map<ProjectId, Gathering>()
  const running = new Map<ProjectId, Promise<unknown>>()

  function begin(projectId: ProjectId): Gathering {
    const ids = new Set<DeliveryId>()
    async function run(): Promise<ReadonlyMap<DeliveryId, Delivery>> {
      await running.get(projectId)?.catch(() => undefined)
      gathering.delete(projectId)
      const reading = read(projectId, [...ids])
      running.set(projectId, reading)
      try {
        return new Map((await reading).map((delivery) => [delivery.id, delivery]))
      } finally {
        if (running.get(projectId) === reading) running.delete(projectId)
      }
    }
    const begun = { ids, found: Promise.resolve().then(run) }
    gathering.set(projectId, begun)
    return begun
  }

  return async (projectId, ids) => {
    const { ids: gathered, found } = gathering.get(projectId) ?? begin(projectId)
    for (const id of ids) gathered.add(id)
    const deliveries = await found
    return ids.flatMap((id) => deliveries.get(id) ?? [])
  }
}
