import { hash } from 'node:crypto'
import type { Claim } from '../messages/record-statements.ts'
import type { IngressSource } from '../sources/index.ts'
import type { EventAttributes } from './event-attributes.ts'

/** How long an Idempotency-Key is remembered. */
const keyWindowMs = 24 * 60 * 60 * 1_000

/** Of a claim's name, its prefix not counted: it is indexed. */
const maxNameLength = 256

/** What came with an Idempotency-Key. */
export interface KeyedRequest {
  readonly method: string
  /** Without `?`; null when there was none. */
  readonly query: string | null
  readonly body: Buffer
}

/** The claim of an Idempotency-Key. The payload of a request that asks is its query. */
export function claimOfKey(key: string, { method, query, body }: KeyedRequest): Claim {
  const asks = body.length === 0 && (method === 'GET' || method === 'HEAD')
  const bodyHash = hash('sha256', asks ? (query ?? '') : body, 'buffer')
  return { key: `key:${bounded(key)}`, bodyHash, windowMs: keyWindowMs }
}

/** The claim of an event's own id; null where the event has none or duplicates are welcome. */
export function claimOfEvent(
  { duplicateWindowMs }: Pick<IngressSource, 'duplicateWindowMs'>,
  { id, source, isIdOfSource }: Pick<EventAttributes, 'id' | 'source' | 'isIdOfSource'>,
): Claim | null {
  if (id === null || duplicateWindowMs === 0) return null
  const name = isIdOfSource && source !== null ? `${source} ${id}` : id
  return { key: `event:${bounded(name)}`, bodyHash: null, windowMs: duplicateWindowMs }
}

function bounded(name: string): string {
  return name.length <= maxNameLength ? name : `sha256:${hash('sha256', name)}`
}
