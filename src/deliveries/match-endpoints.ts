import { Counter, type Registry } from 'prom-client'
import type { Sql } from '../db/sql.ts'
import type { EndpointId, SourceId } from '../kernel/ids.ts'
import type { Logger } from '../kernel/log.ts'
import { createTurns } from '../kernel/turn.ts'
import { type FilterableMessage, type FilteredMessage, filteredMessage } from '../messages/filtered-message.ts'
import { createMessageStore } from '../messages/index.ts'
import type { CompiledFilter } from '../messages/message-filter.ts'
import { type CompiledFilters, createCompiledFilters } from './compiled-filters.ts'

/*
 * Says which messages an endpoint gets. Each message is put to each filter by itself: where one throws, or cannot even be
 * read, that message does not go to that endpoint, and all else goes on as if nothing had been. Others have their turn
 * every 10 ms, and after a second a page ends behind the message that it is at, since a transaction waits for it.
 */

/** An endpoint as one snapshot has it. */
export interface FilteringEndpoint {
  readonly id: EndpointId
  /** The JSON text of a MessageFilter; null when it gets all. */
  readonly filter: string | null
}

export interface MatchableMessage extends FilterableMessage {
  readonly sequence: number
}

/** One delivery that is to be. */
export interface DeliveryPair {
  readonly sequence: number
  readonly endpointId: EndpointId
}

export interface Matching {
  readonly endpoints: readonly FilteringEndpoint[]
  /** Of one source, the oldest first, one at least; with their bodies where `readsBodies` says so. */
  readonly messages: readonly MatchableMessage[]
  /** As the source is called now; empty when it is gone. */
  readonly sourceName: string
}

export interface Matched {
  /** By sequence, and then in the order of the endpoints. */
  readonly pairs: readonly DeliveryPair[]
  /** How many of the messages were looked at, one at least: the others are for another time. */
  readonly looked: number
}

export interface EndpointMatcher {
  /** Whether a filter of these looks into bodies. */
  readsBodies(endpoints: readonly FilteringEndpoint[]): boolean
  /** Never throws for what messages or filters hold. */
  match(matching: Matching): Promise<Matched>
}

/** At any of these a page ends. */
export interface MatchLimits {
  readonly maxMs: number
  readonly maxPairs: number
}

const defaultLimits: MatchLimits = { maxMs: 1_000, maxPairs: 10_000 }

export function createEndpointMatcher({
  log,
  metrics,
  limits = defaultLimits,
}: {
  readonly log: Logger
  readonly metrics: Registry
  readonly limits?: MatchLimits
}): EndpointMatcher {
  const filters = createCompiledFilters()
  const failures = new Counter({
    name: 'hookline_filter_failures_total',
    help: 'Messages that the filter of an endpoint could not judge: they do not go to that endpoint.',
    registers: [metrics],
  })
  return {
    readsBodies: (endpoints) => endpoints.some(({ filter }) => filter !== null && dataTest.test(filter)),
    async match(matching) {
      const { failure, failureCount, ...matched } = await matchPage(matching, filters, limits)
      if (failure !== null) {
        failures.inc(failureCount)
        log.warn({ ...failure, messages: failureCount }, 'a filter failed; its endpoint does not get these messages')
      }
      return matched
    },
  }
}

/** The one test that looks into bodies. Told by the text, since to compile thousands of filters takes a while. */
const dataTest = /"data"\s*:/

interface FilterFailure extends DeliveryPair {
  readonly err: unknown
}

interface Judged extends Matched {
  /** The first one. */
  readonly failure: FilterFailure | null
  readonly failureCount: number
}

async function matchPage(matching: Matching, filters: CompiledFilters, limits: MatchLimits): Promise<Judged> {
  const { endpoints, messages, sourceName } = matching
  const turns = createTurns()
  const compiled = await compileAll(endpoints, filters, turns)
  const endMs = performance.now() + limits.maxMs
  const pairs: DeliveryPair[] = []
  let failure: FilterFailure | null = null
  let failureCount = 0
  let looked = 0
  for (const message of messages) {
    const { sequence } = message
    const seen = filteredMessage(message, sourceName)
    for (const { id: endpointId, filter } of compiled) {
      const verdict = judge(filter, seen)
      if (verdict === true) pairs.push({ sequence, endpointId })
      else if (verdict !== false) {
        failure ??= { sequence, endpointId, err: verdict.error }
        failureCount += 1
      }
      const turn = turns()
      if (turn !== undefined) await turn
    }
    looked += 1
    if (pairs.length >= limits.maxPairs || performance.now() > endMs) break
  }
  return { pairs, looked, failure, failureCount }
}

interface CompiledEndpoint {
  readonly id: EndpointId
  readonly filter: CompiledFilter | null
}

async function compileAll(
  endpoints: readonly FilteringEndpoint[],
  filters: CompiledFilters,
  turns: ReturnType<typeof createTurns>,
): Promise<CompiledEndpoint[]> {
  const compiled: CompiledEndpoint[] = []
  for (const { id, filter } of endpoints) {
    compiled.push({ id, filter: filter === null ? null : filters.of(filter) })
    const turn = turns()
    if (turn !== undefined) await turn
  }
  return compiled
}

function judge(filter: CompiledFilter | null, message: FilteredMessage): boolean | { readonly error: unknown } {
  try {
    return filter?.matches(message) ?? true
  } catch (error) {
    return { error }
  }
}

/** Bytes of bodies, or of header fields where these are all that is read. */
const maxPageBytes = 4 * 1024 * 1024

/** What follows a sequence in a source, as `match` takes it; empty when nothing that is kept does. */
export async function readMatchable(
  sql: Sql,
  place: { readonly sourceId: SourceId; readonly afterSequence: number },
  { maxRows, withBodies }: { readonly maxRows: number; readonly withBodies: boolean },
): Promise<MatchableMessage[]> {
  const store = createMessageStore(sql)
  const { sourceId, afterSequence } = place
  const limits = { maxRows, maxBytes: maxPageBytes }
  if (withBodies) return await store.page(sourceId, afterSequence, limits)
  const [page] = await store.pagesWithoutBodies([{ sourceId, sequence: afterSequence }], 'oldest-first', limits)
  return page ?? []
}
