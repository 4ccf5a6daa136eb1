import { readFilterText } from '../endpoints/index.ts'
import { filteredMessage } from '../messages/filtered-message.ts'
import type { StoredMessage } from '../messages/index.ts'
import type { MessageFilter } from '../messages/message-filter-input.ts'
import { type FilterTrace, traceMessageFilter } from '../messages/trace-message-filter.ts'

/** One test that a message was put to. */
export interface ExplainedTest {
  /** Where it stands: `fanOut`, `sourceIds`, `createdAt`, or in the filter, such as `filter.all.1.exact`. */
  readonly at: string
  /** In words, at most 200 characters. */
  readonly test: string
  /** What the message has there, at most 200 characters; null when nothing. */
  readonly found: string | null
  readonly isMatch: boolean
}

export interface MatchingParts {
  readonly message: StoredMessage
  /** Up to which sequence the source was matched with endpoints; null when it is gone. */
  readonly fannedOutTo: number | null
  readonly sourceName: string
  readonly endpoint: {
    readonly listens: boolean
    /** As it is stored. */
    readonly filter: string | null
    readonly createdAt: Date
  }
  /** With one, only source and filter are looked at, as they are now. */
  readonly hasDelivery: boolean
}

export interface TracedMatching {
  /** At most 103, the filter's being 100. */
  readonly tests: readonly ExplainedTest[]
  /** Why there is no delivery, if there is none. */
  readonly verdict:
    | 'not-yet-matched'
    | 'other-sources'
    | 'filtered-out'
    | 'filter-failed'
    | 'endpoint-is-newer'
    | 'endpoint-changed'
}

/** Puts a message to an endpoint once more, as fan-out does, and tells how. */
export function traceMatching(parts: MatchingParts): TracedMatching {
  const { message, endpoint, hasDelivery } = parts
  const tests: ExplainedTest[] = []
  const isFannedOut = (parts.fannedOutTo ?? 0) >= message.sequence
  if (!hasDelivery) {
    const test = `the source is matched up to ${parts.fannedOutTo ?? 0}`
    tests.push({ at: 'fanOut', test, found: `${message.sequence}`, isMatch: isFannedOut })
    if (!isFannedOut) return { tests, verdict: 'not-yet-matched' }
  }
  const { listens } = endpoint
  tests.push({ at: 'sourceIds', test: 'the endpoint gets the source', found: parts.sourceName, isMatch: listens })
  if (!listens) return { tests, verdict: 'other-sources' }
  const { steps, verdict } = traceFilter(parts)
  tests.push(...steps)
  if (verdict !== 'matches') return { tests, verdict: verdict === 'failed' ? 'filter-failed' : 'filtered-out' }
  const isOld = endpoint.createdAt <= message.receivedAt
  if (!hasDelivery) {
    const test = `received after the endpoint was created at ${endpoint.createdAt.toISOString()}`
    tests.push({ at: 'createdAt', test, found: message.receivedAt.toISOString(), isMatch: isOld })
  }
  return { tests, verdict: isOld ? 'endpoint-changed' : 'endpoint-is-newer' }
}

function traceFilter({ message, sourceName, endpoint }: MatchingParts): {
  steps: ExplainedTest[]
  verdict: FilterTrace['verdict']
} {
  if (endpoint.filter === null) return { steps: [], verdict: 'matches' }
  const filter = readFilter(endpoint.filter)
  const { steps, verdict } =
    filter === null ? nothingRead : traceMessageFilter(filter, filteredMessage(message, sourceName))
  // Not even compiled: what is stored was not written by us.
  if (verdict === 'failed' && steps.length === 0) return { steps: [unreadable], verdict }
  return { steps: steps.map(({ path, ...step }) => ({ at: ['filter', ...path].join('.'), ...step })), verdict }
}

const nothingRead: FilterTrace = { steps: [], verdict: 'failed' }
const unreadable: ExplainedTest = { at: 'filter', test: 'the stored filter is one', found: null, isMatch: false }

function readFilter(text: string): MessageFilter | null {
  try {
    return readFilterText(text)
  } catch {
    return null
  }
}
