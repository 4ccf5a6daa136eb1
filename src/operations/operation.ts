import type { ApiKeyId, OperationId, ProjectId, SourceId } from '../kernel/ids.ts'

export type OperationKind = 'replay-messages' | 'retry-deliveries'

/** The last three are final. */
export type OperationStatus = 'running' | 'completed' | 'failed' | 'canceled'

/** Work on many objects that goes on after the answer. */
export interface Operation {
  readonly id: OperationId
  readonly projectId: ProjectId
  /** The key that asked for it. */
  readonly apiKeyId: ApiKeyId
  /** The sources that it is about; null when all of the project. */
  readonly sourceIds: readonly SourceId[] | null
  readonly kind: OperationKind
  readonly status: OperationStatus
  /** Objects; null until they are counted. */
  readonly totalCount: number | null
  /** Objects that were dealt with, with or without effect. */
  readonly doneCount: number
  /** Of these, the objects that were left as they were. */
  readonly skippedCount: number
  /** Public; null unless it failed. */
  readonly failureDetail: string | null
  readonly createdAt: Date
  /** When its last step was. */
  readonly updatedAt: Date
  /** Null while it runs. */
  readonly finishedAt: Date | null
}
