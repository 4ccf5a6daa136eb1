import type { ProjectId } from '../kernel/ids.ts'
import type { SchemaViolationPolicy } from './event-type.entity.ts'

/** Whether an event fits its type's schema, and what follows when it does not. */
export type SchemaVerdict =
  | { readonly kind: 'fits' }
  /** `detail` is a sentence for the sender, at most 500 characters. */
  | { readonly kind: 'violates'; readonly policy: SchemaViolationPolicy; readonly detail: string }

/** Checks events against the schemas of the catalogue. */
export interface EventSchemas {
  /**
   * Types that are not in the catalogue or have no schema fit whatever comes.
   *
   * @param data exactly the event's data; read before this returns, and left as it is.
   */
  check(projectId: ProjectId, type: string, data: Buffer): Promise<SchemaVerdict>
  /** Whether any type of the project has a schema: cheap, so that without one nothing else need be done. */
  hasAny(projectId: ProjectId): Promise<boolean>
  /** Ends the thread that checks; checks that wait are rejected. */
  close(): Promise<void>
}
