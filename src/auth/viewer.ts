import type { ApiKeyId, ProjectId, SourceId } from '../kernel/ids.ts'
import type { Scope } from './scopes.ts'

/** How far a caller reaches: one project, and all of its sources or only some. */
export interface Reach {
  readonly projectId: ProjectId
  /** Null when all of the project, also later sources. */
  readonly sourceIds: ReadonlySet<SourceId> | null
}

/** Who is asking: what an API key stands for. */
export interface Viewer extends Reach {
  readonly keyId: ApiKeyId
  readonly scopes: ReadonlySet<Scope>
  /** When the key ends by itself; null when it does not. */
  readonly expiresAt: Date | null
}

/** The reach of the operator's own commands. */
export function wholeProject(projectId: ProjectId): Reach {
  return { projectId, sourceIds: null }
}

/** ADMIN includes all scopes; MANAGE includes READ. */
export function allows(viewer: Pick<Viewer, 'scopes'>, scope: Scope): boolean {
  if (viewer.scopes.has(scope) || viewer.scopes.has('admin')) return true
  return scope === 'read' && viewer.scopes.has('manage')
}

/** Whether nothing was taken from a viewer's rights. Those of a key that was widened are kept as well. */
export function keepsRights(before: Viewer, now: Viewer): boolean {
  return (
    before.scopes.isSubsetOf(now.scopes) && seesAllOf(now, before.sourceIds === null ? null : [...before.sourceIds])
  )
}

export function seesSource(reach: Reach, sourceId: SourceId): boolean {
  return reach.sourceIds === null || reach.sourceIds.has(sourceId)
}

/**
 * Whether the caller sees what serves these sources, such as an endpoint. What serves all of the project, or a source
 * beyond the caller's reach, stays hidden: to change it would be to redirect messages that the caller may not read.
 */
export function seesAllOf(reach: Reach, sourceIds: readonly SourceId[] | null): boolean {
  return reach.sourceIds === null || (sourceIds?.every((id) => seesSource(reach, id)) ?? false)
}
