import type { Readable } from 'node:stream'
import { type Authenticator, allows, type Viewer } from '../auth/index.ts'
import {
  type ContentMode,
  modeOf,
  type Parsed,
  parseBatch,
  parseBinary,
  parsePlain,
  parseStructured,
} from '../cloudevents/index.ts'
import { unreachable } from '../kernel/unreachable.ts'
import type { RefusalLog } from '../refusals/index.ts'
import type { IngressSource } from '../sources/index.ts'
import { type Admitted, admit, methodNotAllowed, type RequestHead } from './admission.ts'
import { type AnsweredRequest, type IngressProblem, notFound, problem, unavailable, unavailableFor } from './answer.ts'
import { pairsOf, withoutAccessToken } from './message-of.ts'
import { type EventPublisher, maxListBytes, type Publication, type PublishedEvent } from './publish-events.ts'
import type { RateLimiter } from './rate-limiter.ts'
import { type BodyBudget, readBody } from './read-body.ts'
import { keyReused, notStorable, type Refused, refused, report, tooLarge } from './refused.ts'
import { permissionFor } from './webhook-permission.ts'

/*
 * Publishing over HTTP. The caller shows an API key with the scope PUBLISH; the source is one that the key sees. From then
 * on a request goes the way of any other (see index.ts), but that its form says how many events it may hold, and that all
 * of them are stored or none. What is turned away once the key was accepted is told to the source's owner.
 */

/** One request to `/events/<source>`, free of the HTTP server. */
export interface EventsRequest extends RequestHead {
  /** Name or id, percent-encoded as in the path. */
  readonly source: string
  /** Without `?`; null when there was none. */
  readonly query: string | null
  readonly body: Readable
  /** Adds to the request's log line. */
  note(fields: Readonly<Record<string, unknown>>): void
}

/** What a publisher is told. */
export type EventsAnswer = PublishedAnswer | AnsweredRequest | IngressProblem

/** Only after the commit. */
export interface PublishedAnswer {
  readonly kind: 'published'
  readonly events: readonly PublishedEvent[]
  /** Whether a list was sent, and a list is expected. */
  readonly isList: boolean
  /** That the Idempotency-Key was used before. */
  readonly isReplay: boolean
  /** What is told of rate limits. */
  readonly headers: Readonly<Record<string, string>>
}

export interface EventIngress {
  /** @returns null when the publisher went away before the request was whole. Never throws for what it did. */
  receive(request: EventsRequest): Promise<EventsAnswer | null>
}

export interface EventIngressDeps {
  readonly authenticator: Pick<Authenticator, 'authenticate'>
  readonly publisher: EventPublisher
  readonly budget: BodyBudget
  readonly refusals: Pick<RefusalLog, 'add'>
  readonly rateLimiter: Pick<RateLimiter, 'take'>
  /** Told what kept a request from being looked at. */
  readonly onError: (error: unknown) => void
}

export function createEventIngress(deps: EventIngressDeps): EventIngress {
  return {
    async receive(request) {
      try {
        const caller = await identify(deps, request)
        if ('kind' in caller) return caller
        const { id: sourceId, projectId } = caller.source
        request.note({ keyId: caller.viewer.keyId, projectId, sourceId })
        return await receiveFor(deps, request, caller.source)
      } catch (error) {
        deps.onError(error)
        return unavailableFor(error)
      }
    },
  }
}

async function identify(
  { authenticator, publisher }: EventIngressDeps,
  request: EventsRequest,
): Promise<{ viewer: Viewer; source: IngressSource } | IngressProblem> {
  const viewer = await authenticator.authenticate(authorizationOf(request))
  if (viewer === null) return unauthenticated
  if (!allows(viewer, 'publish')) return forbidden
  const source = await publisher.findSource(viewer, request.source)
  return source === null ? notFound : { viewer, source }
}

const unauthenticated = problem(
  401,
  'UNAUTHENTICATED',
  'An API key is needed: send `Authorization: Bearer hk_…`, or `?access_token=hk_…`, with a key that holds.',
  { 'www-authenticate': 'Bearer' },
)

const forbidden = problem(403, 'FORBIDDEN', 'The key may not publish: it lacks the scope PUBLISH.')

/** @see RFC 6750; HTTP 1.1 Web Hooks for Event Delivery 1.0.2, section 3 */
function authorizationOf({ headers, query }: EventsRequest): string | undefined {
  if (headers.authorization !== undefined) return String(headers.authorization)
  const token = query === null ? null : new URLSearchParams(query).get('access_token')
  return token === null ? undefined : `Bearer ${token}`
}

async function receiveFor(
  deps: EventIngressDeps,
  request: EventsRequest,
  source: IngressSource,
): Promise<EventsAnswer | null> {
  const form = modeOf(request.headers['content-type'] ?? null, request.headers) ?? 'plain'
  // One event is bounded as a message is, a list of them as a whole.
  const isOne = form === 'structured' || form === 'binary'
  const maxBodyBytes = isOne ? source.maxBodyBytes : maxListBytes(source)
  const bounded = { ...source, allowedMethods: ['POST'], maxBodyBytes }
  const admission =
    request.method === 'OPTIONS'
      ? (permissionFor(request.headers, bounded) ?? methodNotAllowed('OPTIONS', bounded))
      : await admit(deps.rateLimiter, request, bounded)
  switch (admission.kind) {
    case 'refused':
      return reportTo(deps, request, source, 0)(admission)
    case 'answered':
      return admission
    default:
      return await receiveBody(deps, { request, source, form, admission, maxBytes: bounded.maxBodyBytes })
  }
}

interface Receiving {
  readonly request: EventsRequest
  readonly source: IngressSource
  readonly form: ContentMode | 'plain'
  readonly admission: Admitted
  readonly maxBytes: number
}

async function receiveBody(deps: EventIngressDeps, receiving: Receiving): Promise<EventsAnswer | null> {
  const { request, source, maxBytes } = receiving
  const read = await readBody(request.body, { source, maxBytes, budget: deps.budget })
  switch (read.kind) {
    case 'too-large':
      return reportTo(deps, request, source, read.bytes)(tooLarge({ ...source, maxBodyBytes: maxBytes }))
    case 'no-room':
      return unavailable('OVERLOADED', 1)
    case 'aborted':
      return null
    default:
  }
  try {
    const answer = await publish(deps.publisher, receiving, read.body)
    return answer.kind === 'refused' ? reportTo(deps, request, source, read.body.length)(answer) : answer
  } finally {
    deps.budget.give(source, read.body.length)
  }
}

function reportTo(
  { refusals }: EventIngressDeps,
  { method, remoteAddress }: EventsRequest,
  source: IngressSource,
  bodyBytes: number,
): (refusal: Refused) => IngressProblem {
  return (refusal) => report(refusals, source, { method, remoteAddress, bodyBytes }, refusal)
}

async function publish(
  publisher: EventPublisher,
  { request, source, form, admission }: Receiving,
  body: Buffer,
): Promise<EventsAnswer | Refused> {
  const parsed = await read(form, request, body)
  if (parsed.kind === 'malformed') return refused('BODY_MALFORMED', problem(400, 'EVENT_MALFORMED', parsed.detail))
  if (parsed.kind === 'not-accepted')
    return refused('FORMAT_NOT_ACCEPTED', problem(415, 'FORMAT_NOT_ACCEPTED', parsed.detail))
  const { idempotencyKey: key, rateHeaders } = admission
  const publication = await publisher.publish(source, parsed.events, {
    idempotencyKey: key === null ? null : { key, body },
    query: withoutAccessToken(request.query),
    headersText: JSON.stringify(pairsOf(request.rawHeaders, ['authorization'])),
    remoteAddress: request.remoteAddress,
  })
  if (publication.kind !== 'published') return problemOf(publication, parsed)
  const { events, isReplayed } = publication
  request.note({ events: events.length, messageId: events[0]?.id, sequence: events[0]?.sequence })
  return { kind: 'published', events, isList: parsed.isList, isReplay: isReplayed, headers: rateHeaders }
}

async function read(form: Receiving['form'], { headers, rawHeaders }: EventsRequest, body: Buffer): Promise<Parsed> {
  const contentType = headers['content-type'] ?? null
  switch (form) {
    case 'structured':
      return parseStructured(body, contentType ?? '')
    case 'batched':
      return await parseBatch(body, contentType ?? '')
    case 'binary':
      return parseBinary(body, contentType, rawHeaders)
    case 'plain':
      return await parsePlain(body, contentType ?? '')
    default:
      return unreachable(form)
  }
}

/** Why nothing was published, in the words of HTTP. */
function problemOf(
  publication: Exclude<Publication, { kind: 'published' }>,
  { isList }: { readonly isList: boolean },
): Refused | IngressProblem {
  switch (publication.kind) {
    case 'too-large':
      return refused('BODY_TOO_LARGE', problem(413, 'BODY_TOO_LARGE', tooLargeText(publication, isList)))
    case 'schema-violated': {
      const [{ place, detail }] = publication.violations
      const where = isList ? `Event ${place}, counted from 0: ` : ''
      return refused('SCHEMA_VIOLATED', problem(422, 'SCHEMA_VIOLATED', where + detail))
    }
    case 'key-reused':
      return keyReused
    case 'unstorable':
      return notStorable
    case 'source-gone':
      return notFound
    case 'overloaded':
      return unavailable('OVERLOADED', 1)
    case 'unavailable':
      return unavailable('DATABASE_UNAVAILABLE', 2)
    default:
      return unreachable(publication)
  }
}

function tooLargeText({ place, maxBytes }: { place: number | null; maxBytes: number }, isList: boolean): string {
  const what = place === null ? 'The data of all events' : `The data of ${isList ? `event ${place}` : 'the event'}`
  return `${what} is over this source's limit of ${maxBytes} bytes.`
}
