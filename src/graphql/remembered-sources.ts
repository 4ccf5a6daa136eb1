import { seesSource } from '../auth/viewer.ts'
import type { ProjectId, SourceId } from '../kernel/ids.ts'
import { createEpochCache, type Epochs } from '../live/epoch.ts'
import type { Source, SourceStore } from '../sources/index.ts'

const maxRemembered = 10_000

/**
 * Sources as events show them: read once per change of configuration, not once per event and subscriber. A change shows
 * in the next event of the process that made it, and within a second elsewhere.
 */
export function rememberedSources(sources: SourceStore, epochs: Pick<Epochs, 'onChange'>): SourceStore {
  const remembered = createEpochCache<`${ProjectId} ${SourceId}`, Source | null>({
    epochs,
    max: maxRemembered,
    async load(key) {
      const [projectId, id] = key.split(' ') as [ProjectId, SourceId]
      return (await sources.byIds({ projectId, sourceIds: null }, [id]))[0] ?? null
    },
  })
  return {
    ...sources,
    async byIds(reach, ids) {
      const own = ids.filter((id) => seesSource(reach, id))
      const found = await Promise.all(own.map((id) => remembered.get(`${reach.projectId} ${id}`)))
      return found.filter((source) => source !== null)
    },
  }
}
