import type { Reach } from '../auth/viewer.ts'
import type { DeliveryId, EndpointId, SourceId } from '../kernel/ids.ts'
import type { Issue } from '../kernel/outcome.ts'
import { isEmptyRange, type TimeRange } from '../kernel/time-range.ts'
import { issue } from '../projects/input-checks.ts'
import type { DeliveryFilter, DeliveryStatus } from './delivery.ts'

/** Which deliveries a client means: all that is given must hold. */
export interface GivenDeliveryFilter {
  /** 1 to 100. */
  readonly ids?: readonly string[] | null | undefined
  readonly endpointId?: string | null | undefined
  readonly sourceId?: string | null | undefined
  readonly statuses?: readonly DeliveryStatus[] | null | undefined
  readonly createdAt?: TimeRange | null | undefined
}

const maxIds = 100

/** @param path of the filter in the input; the issues' paths go on from it. */
export function checkDeliveryFilter({ ids, createdAt }: GivenDeliveryFilter, path: readonly string[]): Issue[] {
  const issues: Issue[] = []
  if (ids && (ids.length < 1 || ids.length > maxIds)) {
    issues.push(issue('OUT_OF_RANGE', [...path, 'ids'], `1 to ${maxIds} ids are possible.`))
  }
  if (createdAt && isEmptyRange(createdAt)) {
    issues.push(issue('OUT_OF_RANGE', [...path, 'createdAt'], 'The span is empty: `from` has to be before `to`.'))
  }
  return issues
}

/** What is meant, within the sources that the caller may use. What is not an id matches no delivery. */
export function filterFor(reach: Pick<Reach, 'sourceIds'>, given: GivenDeliveryFilter): DeliveryFilter {
  const { ids, endpointId, statuses, createdAt } = given
  const sourceIds = sourcesOf(reach, given)
  return {
    ...(ids ? { ids: ids as DeliveryId[] } : {}),
    ...(endpointId ? { endpointId: endpointId as EndpointId } : {}),
    ...(statuses ? { statuses } : {}),
    ...(createdAt ? { createdAt } : {}),
    ...(sourceIds === null ? {} : { sourceIds }),
  }
}

/** @returns null when all of the project. */
function sourcesOf({ sourceIds }: Pick<Reach, 'sourceIds'>, given: GivenDeliveryFilter): SourceId[] | null {
  const sourceId = given.sourceId as SourceId | null | undefined
  if (sourceId === null || sourceId === undefined) return sourceIds === null ? null : [...sourceIds]
  return sourceIds === null || sourceIds.has(sourceId) ? [sourceId] : []
}
