import type { Reach } from '../auth/viewer.ts'
import type { Context } from '../graphql/context.ts'
import { kindOfId } from '../graphql/node.ts'
import { requestError } from '../graphql/request-error.ts'

/** Whose counts a caller sees as those of the project: of a key that is limited to some sources, these. */
export function nodesOfProject({ projectId, sourceIds }: Reach): string[] {
  return sourceIds === null ? [projectId] : [...sourceIds]
}

/** @throws FORBIDDEN for a key that is limited to some sources: the counts of a type are of all sources. */
export function nodesOfEventType({ sourceIds }: Reach, id: string): string[] {
  if (sourceIds !== null) throw requestError('FORBIDDEN', 'The key is limited to some sources of the project.')
  return [id]
}

/**
 * @param id null: the project.
 * @throws NOT_FOUND when it is unknown, another project's, not for this key, or of a kind that has no counts.
 */
export async function nodesOf(context: Context, id: string | null | undefined): Promise<string[]> {
  const { viewer } = context
  if (id === null || id === undefined) return nodesOfProject(viewer)
  const kind = kindOfId(id)
  const isFound = kind !== null && counted.has(kind.typename) && (await kind.load(context, id)) !== null
  if (!isFound) throw requestError('NOT_FOUND', `There is no source, endpoint or event type ${id}.`)
  if (kind.typename === 'Project') return nodesOfProject(viewer)
  return kind.typename === 'EventType' ? nodesOfEventType(viewer, id) : [id]
}

const counted: ReadonlySet<string> = new Set(['Source', 'Endpoint', 'EventType', 'Project'])
