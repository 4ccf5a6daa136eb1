import { type Authenticator, allows, seesSource, type Viewer } from '../auth/index.ts'
import type { UserFailure } from '../kernel/outcome.ts'
import { unreachable } from '../kernel/unreachable.ts'
import { encodeCursor } from '../live/cursor.ts'
import type { MessageStore } from '../messages/index.ts'
import type { SourceStore } from '../sources/index.ts'
import { eventsAfter, readingPlace } from './events-after.ts'
import type { Listener } from './listener.ts'
import { eventJson } from './listener-json.ts'
import type { Listeners } from './listeners.ts'

/*
 * Listeners for plain HTTP clients, free of the HTTP server: the next events of one, and their acknowledgement. Names and
 * values are those of GraphQL.
 */

/** Who asks, and for which listener of its key. */
export interface PlainRequest {
  /** The header's value, `Bearer hk_…`. */
  readonly authorization: string | undefined
  readonly name: string
}

export type PlainAnswer =
  | { readonly kind: 'answered'; readonly viewer: Viewer; readonly listener: Listener; readonly body: object }
  | PlainRefusal

/** `detail` is public. */
export interface PlainRefusal {
  readonly kind: 'refused'
  readonly status: 400 | 401 | 403 | 404 | 409
  readonly code: string
  readonly detail: string
}

export interface PlainListeners {
  /** @param first how many messages at most, as it was written; null: 25. */
  messages(request: PlainRequest, first: string | null): Promise<PlainAnswer>
  /** @param input the request's JSON, of any shape. */
  acknowledge(request: PlainRequest, input: unknown): Promise<PlainAnswer>
}

export interface PlainListenersDeps {
  readonly authenticator: Pick<Authenticator, 'authenticate'>
  readonly listeners: Pick<Listeners, 'byName' | 'acknowledge' | 'noteReading'>
  readonly messages: Pick<MessageStore, 'heads' | 'page'>
  readonly sources: Pick<SourceStore, 'byIds'>
}

const defaultFirst = 25
const maxFirst = 100
/** Bodies of one answer, but for a single one that is larger; in the answer they stand as base64 and as text. */
const maxBytes = 8 * 1024 * 1024

export function createPlainListeners(deps: PlainListenersDeps): PlainListeners {
  return {
    async messages(request, firstText) {
      const found = await find(deps, request)
      if (found.kind === 'refused') return found
      const first = firstText === null ? defaultFirst : firstOf(firstText)
      if (first === null) return refused(400, 'OUT_OF_RANGE', '`first` needs a number from 1 to 100.')
      return await read(deps, found, first)
    },
    async acknowledge(request, input) {
      const found = await find(deps, request)
      if (found.kind === 'refused') return found
      const given = acknowledgementOf(input)
      if (given === null) return malformed
      const { viewer, listener } = found
      const outcome = await deps.listeners.acknowledge(viewer, { listenerId: listener.id, ...given })
      if (outcome.kind !== 'done') return refusalOf(outcome)
      return { ...found, listener: outcome.value, body: placeJson(outcome.value) }
    },
  }
}

interface Found {
  readonly kind: 'answered'
  readonly viewer: Viewer
  readonly listener: Listener
}

async function find(
  { authenticator, listeners }: PlainListenersDeps,
  { authorization, name }: PlainRequest,
): Promise<Found | PlainRefusal> {
  const viewer = await authenticator.authenticate(authorization)
  if (viewer === null) {
    return refused(
      401,
      'UNAUTHENTICATED',
      'An API key is needed: send `Authorization: Bearer hk_…` with one that holds.',
    )
  }
  if (!allows(viewer, 'listen')) return refused(403, 'FORBIDDEN', 'The key may not listen: it lacks the scope LISTEN.')
  const listener = isStorable(name) ? await listeners.byName(viewer, name) : null
  if (listener === null) return refused(404, 'NOT_FOUND', 'The key has no listener of this name.')
  if (listener.state !== 'disconnected' && seesSource(viewer, listener.sourceId)) {
    return { kind: 'answered', viewer, listener }
  }
  return refused(403, 'FORBIDDEN', 'The listener is disconnected: its key may not use the source.')
}

async function read(
  { listeners, messages, sources }: PlainListenersDeps,
  { viewer, listener }: Found,
  first: number,
): Promise<PlainAnswer> {
  const { sourceId, acknowledged } = listener
  const [source] = await sources.byIds(viewer, [sourceId])
  const [head] = await messages.heads([sourceId])
  if (source === undefined || head === undefined) return refused(404, 'NOT_FOUND', 'The source was deleted.')
  listeners.noteReading(listener.id)
  const place = readingPlace(acknowledged, head)
  const rows = await messages.page(sourceId, place.sequence, { maxRows: first, maxBytes })
  const events = eventsAfter(place, head, rows).map((event) => eventJson(event, source))
  const { firstSequence, lastSequence } = head
  return { kind: 'answered', viewer, listener, body: { events, ...placeJson(listener), firstSequence, lastSequence } }
}

function placeJson({ projectId, sourceId, acknowledged, lagCount, state }: Listener): object {
  return { acknowledged: encodeCursor({ projectId, sourceId, ...acknowledged }), lagCount, state: state.toUpperCase() }
}

function firstOf(text: string): number | null {
  const first = /^\d{1,3}$/.test(text) ? Number(text) : 0
  return first >= 1 && first <= maxFirst ? first : null
}

/** @returns null for what does not have the form. */
function acknowledgementOf(input: unknown): { cursor: string; lease: string | null } | null {
  if (typeof input !== 'object' || input === null) return null
  const { cursor, lease = null } = input as { cursor?: unknown; lease?: unknown }
  if (typeof cursor !== 'string' || !(lease === null || (typeof lease === 'string' && isStorable(lease)))) return null
  return { cursor, lease }
}

// PostgreSQL refuses the others as parameters.
function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0')
}

function refused(status: PlainRefusal['status'], code: string, detail: string): PlainRefusal {
  return { kind: 'refused', status, code, detail }
}

const malformed = refused(
  400,
  'MALFORMED',
  'The body is a JSON object with `cursor`, and with `lease` where a stream sent it.',
)

function refusalOf(failure: UserFailure): PlainRefusal {
  switch (failure.kind) {
    case 'invalid':
      return refused(400, failure.issues[0].code, failure.issues[0].message)
    case 'not-found':
      return refused(404, 'NOT_FOUND', 'The key has no listener of this name.')
    case 'state-conflict':
      return refused(409, failure.code ?? 'STATE_CONFLICT', failure.message)
    case 'name-taken':
    case 'limit-reached':
      throw new Error(`an acknowledgement cannot be refused with ${failure.kind}`)
    default:
      return unreachable(failure)
  }
}
