import type { Sql } from '../db/sql.ts'
import { listensTo } from '../endpoints/listens-to.ts'
import type { EndpointId, MessageId, SourceId } from '../kernel/ids.ts'
import { isWithin, type TimeRange } from '../kernel/time-range.ts'
import type { NewOperation, OperationAtWork, OperationStep, StepTaker } from '../operations/index.ts'
import type { TaskQueue } from '../queue/index.ts'
import { announceWork } from './announce-work.ts'
import type { DeliveryNotices } from './delivery-notices.ts'
import { countCreated } from './fan-out-counts.ts'
import { insertDeliveries, readSourceName } from './fan-out-statements.ts'
import { leaveDrainTasks } from './leave-drain-tasks.ts'
import {
  type EndpointMatcher,
  type FilteringEndpoint,
  type MatchableMessage,
  readMatchable,
} from './match-endpoints.ts'
import { narrowRange } from './narrow-range.ts'

/*
 * Sends stored messages once more. What is to be looked at was fixed when it was asked for: a range of each source's log.
 *
 *   1. Where only some time is meant, the ranges are narrowed to it, a few in a step, and counted. Otherwise their
 *      lengths are known from the beginning.
 *   2. Each step takes messages of the first range that is left, holds them against the filter that was asked for, then
 *      against the endpoint as it is now, makes deliveries of those that pass, and moves the range's beginning.
 *
 * A delivery belongs to the operation, and a message has one for each at most. Replays to one endpoint take turns, so
 * that what one of them has made exists for the others.
 */
export interface ReplayStepDeps {
  readonly queue: Pick<TaskQueue, 'enqueue' | 'wake'>
  readonly notices: DeliveryNotices
  readonly matcher: EndpointMatcher
}

/** Messages of a source's log: those after a sequence, up to another one. */
export interface LogRange {
  readonly sourceId: SourceId
  readonly after: number
  readonly upTo: number
}

/** What was asked for. */
export interface Replay {
  readonly endpointId: EndpointId
  /** The JSON text of a MessageFilter; null when all are meant. */
  readonly filter: string | null
  readonly receivedAt: TimeRange | null
  readonly skipsExisting: boolean
}

interface Progress {
  /** Still to be narrowed to the time that is meant, and counted. */
  readonly unnarrowed: readonly LogRange[]
  readonly counted: number
  /** Still to be looked at. */
  readonly ranges: readonly LogRange[]
}

const stepMessages = 1_000
/** Each costs some reads by key. */
const stepRanges = 20

/** Where the first step begins. */
export function beginReplay(
  replay: Replay,
  all: readonly LogRange[],
): Pick<NewOperation, 'input' | 'progress' | 'totalCount'> {
  const ranges = all.filter(({ after, upTo }) => after < upTo)
  if (replay.receivedAt !== null) {
    const progress: Progress = { unnarrowed: ranges, counted: 0, ranges: [] }
    return { input: replay, progress, totalCount: null }
  }
  const counted = ranges.reduce((sum, { after, upTo }) => sum + upTo - after, 0)
  const progress: Progress = { unnarrowed: [], counted, ranges }
  return { input: replay, progress, totalCount: counted }
}

export function createReplayStep(deps: ReplayStepDeps): StepTaker {
  return async (sql, operation) => {
    const progress = operation.progress as Progress
    const replay = replayOf(operation)
    if (progress.unnarrowed.length > 0) return await narrowSome(sql, replay, progress)
    const [range] = progress.ranges
    if (range === undefined) return { kind: 'over' }
    await sql.query(turnText, [replay.endpointId])
    const endpoint = await readEndpoint(sql, replay, range)
    if (endpoint === null) return { kind: 'failed', detail: 'The endpoint was deleted.' }
    const found = endpoint.listens ? await find(deps, sql, { replay, range, endpoint }) : nothingFound
    return await deliver(deps, sql, { operation, progress, range, found, replay })
  }
}

// Dates are text in JSON.
function replayOf({ input }: OperationAtWork): Replay {
  const { receivedAt, ...replay } = input as Replay & { receivedAt: { from?: string; to?: string } | null }
  const dateOf = (text: string | null | undefined) => (text ? new Date(text) : null)
  return {
    ...replay,
    receivedAt: receivedAt === null ? null : { from: dateOf(receivedAt.from), to: dateOf(receivedAt.to) },
  }
}

async function narrowSome(sql: Sql, { receivedAt }: Replay, progress: Progress): Promise<OperationStep> {
  const ranges = [...progress.ranges]
  let counted = progress.counted
  for (const range of progress.unnarrowed.slice(0, stepRanges)) {
    const narrowed = await narrowRange(sql, range, receivedAt ?? {})
    counted += narrowed.count
    if (narrowed.count > 0) ranges.push(narrowed.range)
  }
  const unnarrowed = progress.unnarrowed.slice(stepRanges)
  const next: Progress = { unnarrowed, counted, ranges }
  return {
    kind: 'moved',
    progress: next,
    ...(unnarrowed.length === 0 ? { totalCount: counted } : {}),
    done: 0,
    skipped: 0,
  }
}

interface ReplayedEndpoint extends FilteringEndpoint {
  /** Whether it gets messages of the source at all. */
  readonly listens: boolean
}

/** @returns null when it was deleted. */
async function readEndpoint(
  sql: Sql,
  { endpointId }: Replay,
  { sourceId }: LogRange,
): Promise<ReplayedEndpoint | null> {
  const [row] = await sql.query<ReplayedEndpoint>(endpointText, [endpointId, sourceId])
  return row ?? null
}

/** What a step found in a range. */
interface Found {
  /** Up to here all was looked at; null: there is nothing more. */
  readonly reached: number | null
  /** How many of the time that is meant were looked at. */
  readonly looked: number
  /** Those that the endpoint is to get. */
  readonly messages: readonly MatchableMessage[]
}

const nothingFound: Found = { reached: null, looked: 0, messages: [] }

async function find(
  { matcher }: ReplayStepDeps,
  sql: Sql,
  { replay, range, endpoint }: { replay: Replay; range: LogRange; endpoint: ReplayedEndpoint },
): Promise<Found> {
  // What was asked for is judged like a filter of the endpoint's own.
  const asked = { id: replay.endpointId, filter: replay.filter }
  const { sourceId, after, upTo } = range
  const maxRows = Math.min(stepMessages, upTo - after)
  const withBodies = matcher.readsBodies([asked, endpoint])
  const read = await readMatchable(sql, { sourceId, afterSequence: after }, { maxRows, withBodies })
  const page = read.filter(({ sequence }) => sequence <= upTo)
  const reached = page.at(-1)?.sequence ?? null
  const meant = page.filter(({ receivedAt }) => isWithin(replay.receivedAt ?? {}, receivedAt))
  const sourceName = await readSourceName(sql, sourceId)
  const match = async (filtering: FilteringEndpoint, messages: readonly MatchableMessage[]) => {
    if (messages.length === 0) return { messages, restFrom: undefined }
    const { pairs, looked } = await matcher.match({ endpoints: [filtering], messages, sourceName })
    const sequences = new Set(pairs.map((pair) => pair.sequence))
    return {
      messages: messages.filter(({ sequence }) => sequences.has(sequence)),
      restFrom: messages[looked]?.sequence,
    }
  }
  const first = await match(asked, meant)
  const second = await match(endpoint, first.messages)
  // Where time ran out, the step ends before the first message that was not looked at.
  const restFrom = second.restFrom ?? first.restFrom
  if (restFrom === undefined) return { reached, looked: meant.length, messages: second.messages }
  const looked = meant.filter(({ sequence }) => sequence < restFrom).length
  return { reached: restFrom - 1, looked, messages: second.messages }
}

interface Delivering {
  readonly operation: OperationAtWork
  readonly progress: Progress
  readonly range: LogRange
  readonly found: Found
  readonly replay: Replay
}

async function deliver(
  { queue, notices }: ReplayStepDeps,
  sql: Sql,
  { operation, progress, range, found, replay }: Delivering,
): Promise<OperationStep> {
  const { endpointId, skipsExisting } = replay
  const existing = skipsExisting ? await readExisting(sql, endpointId, found.messages) : new Set<MessageId>()
  const pairs = found.messages.filter(({ id }) => !existing.has(id)).map(({ sequence }) => ({ sequence, endpointId }))
  const { sourceId } = range
  const created = await insertDeliveries(sql, { sourceId, pairs, operationId: operation.id })
  const deliveryIds = created.map(({ id }) => id)
  const endpointIds = deliveryIds.length > 0 ? [endpointId] : []
  const woken = await leaveDrainTasks(queue, sql, { endpointIds, deliveryIds })
  await countCreated(sql, { sourceId, created, writer: operation.id })
  const { projectId } = operation
  const next: Progress = { ...progress, ranges: rangesAfter(progress.ranges, found.reached) }
  return {
    kind: 'moved',
    progress: next,
    done: found.looked,
    skipped: found.looked - deliveryIds.length,
    onCommitted: () => announceWork({ queue, notices }, { projectId, deliveryIds, ...woken }),
  }
}

function rangesAfter([range, ...others]: readonly LogRange[], reached: number | null): LogRange[] {
  if (range === undefined || reached === null || reached >= range.upTo) return others
  return [{ ...range, after: reached }, ...others]
}

async function readExisting(
  sql: Sql,
  endpointId: EndpointId,
  messages: readonly MatchableMessage[],
): Promise<ReadonlySet<MessageId>> {
  const ids = messages.map(({ id }) => id)
  const rows = await sql.query<{ id: MessageId }>(existingText, [endpointId, ids])
  return new Set(rows.map(({ id }) => id))
}

const turnText = `select pg_advisory_xact_lock(hashtextextended('replay ' || $1::text, 0))`

const endpointText = `
  select e.id, e.filter, ${listensTo('e', '$2::text')} as listens
    from endpoints as e
   where e.id = $1::text`

// Index: deliveries_message_id_endpoint_id_operation_id_index.
const existingText = `
  select distinct d.message_id as id
    from deliveries as d
   where d.endpoint_id = $1::text
     and d.message_id = any($2::text[])`
