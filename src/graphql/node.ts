import type { Scope } from '../auth/scopes.ts'
import type { Context } from './context.ts'

/** What `Query.node` needs to know of one kind of object. */
export interface NodeKind {
  readonly typename: string
  /** What a key needs to see objects of this kind, beside READ. */
  readonly scope: Scope
  /** @returns null when the object is unknown, another project's, or not for this key. */
  load(context: Context, id: string): Promise<object | null>
}

const kinds = new Map<string, NodeKind>()

/** Makes the objects whose ids begin with `prefix` known to `Query.node`. */
export function addNodeKind(prefix: string, kind: NodeKind): void {
  kinds.set(prefix, kind)
}

export function kindOfId(id: string): NodeKind | null {
  return kinds.get(id.slice(0, id.indexOf('_'))) ?? null
}
