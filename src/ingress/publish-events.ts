import { type Reach, seesSource } from '../auth/index.ts'
import type { EventContext, ParsedEvent } from '../cloudevents/index.ts'
import type { EventSchemas } from '../event-types/index.ts'
import { isId, newId } from '../kernel/ids.ts'
import type { Claim, NewMessage, Recordable, Recorded, Recorder } from '../messages/index.ts'
import type { IngressSource, SourceDirectory } from '../sources/index.ts'
import { claimOfEvent, claimOfKey } from './claim.ts'
import type { RateLimiter, RateVerdict } from './rate-limiter.ts'

/**
 * Publishes events in a source, whatever way they came: all of them or none, durable when answered.
 *
 * First sizes and schemas are looked at, then the recorder stores in one transaction what passed. An event's id keeps
 * duplicates out together with its `source`, unless the request as a whole has an idempotency key.
 */
export interface EventPublisher {
  /** By name or `src_…`; null when there is none, it is paused, or the caller does not see it. */
  findSource(reach: Reach, nameOrId: string): Promise<IngressSource | null>
  /** Counts one request against the limits of the source and its project. Over HTTP its admission does. */
  countRequest(source: IngressSource): Promise<RateVerdict>
  /** Never throws for what a publisher gave. */
  publish(source: IngressSource, events: readonly ParsedEvent[], from: PublishRequest): Promise<Publication>
}

/** What is kept of the request, beside its events. */
export interface PublishRequest {
  /** With the whole body that it came with; null when the publisher sent none. */
  readonly idempotencyKey: { readonly key: string; readonly body: Buffer } | null
  /** As messages keep it. */
  readonly query: string | null
  /** As messages keep them, without credentials. */
  readonly headersText: string
  /** Empty when it is not known. */
  readonly remoteAddress: string
}

/** What became of the events. Unless they are published, nothing was stored. */
export type Publication =
  | {
      readonly kind: 'published'
      /** In the order given. */
      readonly events: readonly PublishedEvent[]
      /** Whether the idempotency key was known, so that this is what was answered before. */
      readonly isReplayed: boolean
    }
  /** `place` counts from 0; null when it is all of them together. */
  | { readonly kind: 'too-large'; readonly place: number | null; readonly maxBytes: number }
  | { readonly kind: 'schema-violated'; readonly violations: readonly [Violation, ...Violation[]] }
  | { readonly kind: 'key-reused' | 'unstorable' }
  | { readonly kind: 'source-gone' }
  | { readonly kind: 'overloaded' | 'unavailable' }

export interface Violation {
  /** Of the event, from 0. */
  readonly place: number
  /** A sentence for the publisher. */
  readonly detail: string
}

export interface PublishedEvent {
  /** As it was stored, or would have been. */
  readonly message: NewMessage
  /** Of the message that holds the event: this one, or the earlier one. */
  readonly id: NewMessage['id']
  /** Null when retention has dropped the earlier one. */
  readonly sequence: number | null
  /** Whether the event's id was known, so that nothing was stored. */
  readonly isDuplicate: boolean
}

export interface EventPublisherDeps {
  readonly directory: Pick<SourceDirectory, 'byName' | 'byId'>
  readonly recorder: Pick<Recorder, 'recordAll'>
  readonly schemas: Pick<EventSchemas, 'check' | 'hasAny'>
  readonly rateLimiter: Pick<RateLimiter, 'take'>
}

/** How many times a source's largest body all events of one request may be … */
const maxBodies = 10
/** … and what no list exceeds: it is parsed in one go, while everybody else waits. */
const maxBytesOfLists = 32 * 1024 * 1024

/** Bytes of all events of one request. */
export function maxListBytes({ maxBodyBytes }: Pick<IngressSource, 'maxBodyBytes'>): number {
  return Math.min(maxBodyBytes * maxBodies, maxBytesOfLists)
}

export function createEventPublisher(deps: EventPublisherDeps): EventPublisher {
  const { directory, recorder, schemas, rateLimiter } = deps
  return {
    countRequest: (source) => rateLimiter.take(source),
    async findSource(reach, nameOrId) {
      const found = isId('src', nameOrId) ? directory.byId(nameOrId) : directory.byName(reach.projectId, nameOrId)
      const source = await found
      return source?.projectId === reach.projectId && seesSource(reach, source.id) ? source : null
    },
    async publish(source, events, from) {
      const tooLarge = checkSizes(source, events)
      if (tooLarge !== null) return tooLarge
      const verdicts = await verdictsOn(schemas, source, events)
      const violations = [...verdicts.entries()].flatMap(([place, verdict]) =>
        verdict?.policy === 'REFUSE' ? [{ place, detail: verdict.detail }] : [],
      )
      const [first, ...others] = violations
      if (first !== undefined) return { kind: 'schema-violated', violations: [first, ...others] }
      const claims = claimsOf(source, events, from)
      const items = events.map((event, place) => {
        const schemaViolation = verdicts[place]?.detail ?? null
        const message = messageOf(source, event, { ...from, schemaViolation })
        return { message, claim: claims[place] ?? null }
      })
      return await record(recorder, items, from.idempotencyKey !== null)
    },
  }
}

function checkSizes(source: IngressSource, events: readonly ParsedEvent[]): Publication | null {
  const maxBytes = source.maxBodyBytes
  const place = events.findIndex(({ data }) => data.length > maxBytes)
  if (place !== -1) return { kind: 'too-large', place, maxBytes }
  const bytes = events.reduce((sum, { data }) => sum + data.length, 0)
  const maxBytesOfAll = maxListBytes(source)
  return bytes > maxBytesOfAll ? { kind: 'too-large', place: null, maxBytes: maxBytesOfAll } : null
}

type Verdict = Awaited<ReturnType<EventSchemas['check']>>

/** @returns one for each event; null for those that fit. */
async function verdictsOn(
  schemas: EventPublisherDeps['schemas'],
  { projectId }: IngressSource,
  events: readonly ParsedEvent[],
): Promise<(Extract<Verdict, { kind: 'violates' }> | null)[]> {
  if (!(await schemas.hasAny(projectId))) return events.map(() => null)
  const verdicts = await Promise.all(events.map(({ context, data }) => schemas.check(projectId, context.type, data)))
  return verdicts.map((verdict) => (verdict.kind === 'violates' ? verdict : null))
}

async function record(
  recorder: EventPublisherDeps['recorder'],
  items: readonly Recordable[],
  hasKey: boolean,
): Promise<Publication> {
  const [first, ...rest] = items
  if (first === undefined) return { kind: 'published', events: [], isReplayed: false }
  const answers = await recorder.recordAll([first, ...rest])
  if ('kind' in answers) return { kind: 'overloaded' }
  const events: PublishedEvent[] = []
  for (const [place, { message }] of items.entries()) {
    const answer = answers[place] ?? { kind: 'unavailable' }
    if (answer.kind !== 'recorded') return { kind: answer.kind }
    // Under an idempotency key the publisher is told what it was told the first time.
    events.push({ message, ...answer, isDuplicate: answer.isDuplicate && !hasKey })
  }
  return { kind: 'published', events, isReplayed: hasKey && answers.every(isDuplicate) }
}

function isDuplicate(answer: Recorded): boolean {
  return answer.kind === 'recorded' && answer.isDuplicate
}

function messageOf(
  source: IngressSource,
  { context, data }: ParsedEvent,
  from: PublishRequest & Pick<NewMessage, 'schemaViolation'>,
): NewMessage {
  const id = newId('msg')
  const receivedAt = new Date()
  return {
    id,
    projectId: source.projectId,
    sourceId: source.id,
    receivedAt,
    method: 'POST',
    path: null,
    query: from.query,
    headersText: from.headersText,
    contentType: context.dataContentType,
    remoteAddress: from.remoteAddress,
    body: data,
    eventId: context.id ?? id,
    eventSource: sourceOf(source, context),
    eventType: context.type,
    eventSubject: context.subject,
    eventTime: context.time ?? receivedAt,
    eventDataSchema: context.dataSchema,
    eventExtensions: Object.keys(context.extensions).length === 0 ? null : JSON.stringify(context.extensions),
    schemaViolation: from.schemaViolation,
  }
}

function sourceOf(source: IngressSource, context: EventContext): string {
  return context.source ?? `/sources/${source.name}`
}

/** @returns one for each event; null where nothing keeps duplicates out. */
function claimsOf(source: IngressSource, events: readonly ParsedEvent[], from: PublishRequest): (Claim | null)[] {
  if (from.idempotencyKey === null) {
    return events.map(({ context }) =>
      claimOfEvent(source, { id: context.id, source: sourceOf(source, context), isIdOfSource: true }),
    )
  }
  const { key, body } = from.idempotencyKey
  const claim = claimOfKey(key, { method: 'POST', query: null, body })
  // The first event has the key as it is, so that the same key with one event and with several is noticed. The place of
  // the others stands in front of it: behind it, it would make a key that another request may bring.
  return events.map((_, place) => (place === 0 ? claim : { ...claim, key: `place ${place} of ${claim.key}` }))
}
