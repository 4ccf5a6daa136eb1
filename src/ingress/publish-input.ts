import type { Reach } from '../auth/index.ts'
import { maxBatchEvents, type ParsedEvent } from '../cloudevents/index.ts'
import { done, type Issue, invalid, type Outcome } from '../kernel/outcome.ts'
import { issue } from '../projects/input-checks.ts'
import { checkEventInput, type EventInput, eventOf } from './event-input.ts'
import type { EventPublisher, Publication, PublishedEvent, Violation } from './publish-events.ts'

export interface PublishEventsInput {
  readonly sourceId: string
  /** 1 to 500. */
  readonly events: readonly EventInput[]
}

/** That the events are not taken now: worth a repetition. */
export interface Busy {
  readonly kind: 'busy'
  /** A sentence for the publisher. */
  readonly message: string
  readonly retryAfterMs: number
}

/** Publishes what a caller of the API gives: all of it or, when anything is wrong with it, none. */
export async function publishInput(
  publisher: EventPublisher,
  reach: Reach,
  { sourceId, events }: PublishEventsInput,
): Promise<Outcome<readonly PublishedEvent[]> | Busy> {
  const notFound = { kind: 'not-found', id: sourceId, path: ['input', 'sourceId'] } as const
  const source = sourceId.startsWith('src_') ? await publisher.findSource(reach, sourceId) : null
  if (source === null) return notFound
  const rate = await publisher.countRequest(source)
  if (!rate.isAllowed) return busy('This source or its project takes no more requests for now.', rate.retryAfterSeconds)
  const read = readInputs(events)
  const failure = invalid(read.issues)
  if (failure !== null) return failure
  const from = { idempotencyKey: null, query: null, headersText: '[]', remoteAddress: '' }
  const publication = await publisher.publish(source, read.events, from)
  switch (publication.kind) {
    case 'published':
      return done(publication.events)
    case 'source-gone':
      return notFound
    case 'overloaded':
      return busy('Too many messages wait to be stored.', 1)
    case 'unavailable':
      return busy('The database does not answer.', 2)
    default:
      return { kind: 'invalid', issues: issuesOf(publication) }
  }
}

function busy(why: string, retryAfterSeconds: number): Busy {
  return { kind: 'busy', message: `${why} Nothing was stored.`, retryAfterMs: retryAfterSeconds * 1_000 }
}

const eventsPath = ['input', 'events']

function readInputs(inputs: readonly EventInput[]): { issues: Issue[]; events: ParsedEvent[] } {
  if (inputs.length === 0 || inputs.length > maxBatchEvents) {
    const message = `1 to ${maxBatchEvents} events can be published at once.`
    return { issues: [issue('OUT_OF_RANGE', eventsPath, message)], events: [] }
  }
  const issues = inputs.flatMap((input, place) => checkEventInput(input, [...eventsPath, `${place}`]))
  return { issues, events: issues.length > 0 ? [] : inputs.map(eventOf) }
}

function issuesOf(
  publication: Extract<Publication, { kind: 'too-large' | 'schema-violated' | 'unstorable' | 'key-reused' }>,
): [Issue, ...Issue[]] {
  switch (publication.kind) {
    case 'too-large': {
      const { place, maxBytes } = publication
      const path = place === null ? eventsPath : [...eventsPath, `${place}`, 'data']
      return [issue('OUT_OF_RANGE', path, `This source takes at most ${maxBytes} bytes here.`)]
    }
    case 'schema-violated': {
      const [first, ...others] = publication.violations
      return [violationIssue(first), ...others.map(violationIssue)]
    }
    default:
      return [issue('MALFORMED', eventsPath, 'The database cannot hold these events as they are.')]
  }
}

function violationIssue({ place, detail }: Violation): Issue {
  return issue('SCHEMA_VIOLATED', [...eventsPath, `${place}`, 'data'], detail)
}
