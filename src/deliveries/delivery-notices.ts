import type { DeliveryId, EndpointId, ProjectId } from '../kernel/ids.ts'
import { type Bus, deliveriesChannel, statsChannel } from '../live/bus.ts'

/** Wake-ups about deliveries, sent after a commit. Losing one loses nothing: whoever watches also polls. */
export interface DeliveryNotices {
  /** Deliveries were created or changed, or messages fanned out without any. */
  changed(projectId: ProjectId, ids: readonly DeliveryId[]): void
  /** There is new work for endpoints that another process drains now. */
  work(endpointIds: readonly EndpointId[]): void
  onWork(listener: (endpointIds: readonly EndpointId[]) => void): () => void
}

const maxIds = 100
/** Payload: ids of endpoints, separated by commas, 100 at most. */
const drainsChannel = 'drains'

export function createDeliveryNotices(bus: Pick<Bus, 'publish' | 'subscribe'>): DeliveryNotices {
  return {
    changed(projectId, ids) {
      if (ids.length > 0) bus.publish(deliveriesChannel(projectId), ids.length > maxIds ? '' : ids.join(','))
      bus.publish(statsChannel(projectId))
    },
    work(endpointIds) {
      for (let i = 0; i < endpointIds.length; i += maxIds) {
        bus.publish(drainsChannel, endpointIds.slice(i, i + maxIds).join(','))
      }
    },
    onWork: (listener) =>
      bus.subscribe(drainsChannel, (payload) => {
        if (payload !== '') listener(payload.split(',') as EndpointId[])
      }),
  }
}
