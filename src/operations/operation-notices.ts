import type { OperationId } from '../kernel/ids.ts'
import { type Bus, operationsChannel } from '../live/bus.ts'
import type { Operation } from './operation.ts'

/** Wake-ups about operations, sent after a commit. Losing one loses nothing: whoever watches also polls. */
export interface OperationNotices {
  moved(operation: Pick<Operation, 'id' | 'projectId'>): void
  ended(operation: Pick<Operation, 'id' | 'projectId'>): void
}

export function createOperationNotices(bus: Pick<Bus, 'publish'>): OperationNotices {
  return {
    moved: ({ id, projectId }) => bus.publish(operationsChannel(projectId), id),
    ended: ({ id, projectId }) => bus.publish(operationsChannel(projectId), endedPayload(id)),
  }
}

/** What a wake-up means to who watches this operation; null: it is about another. */
export function readNotice(payload: string, id: OperationId): 'moved' | 'ended' | null {
  if (payload === endedPayload(id)) return 'ended'
  return payload === id || payload === '' ? 'moved' : null
}

function endedPayload(id: OperationId): string {
  return `${id} ended`
}
