import type { MessageId, SourceId } from '../kernel/ids.ts'
import type { Lane } from './lane.ts'
import {
  findOutcomes,
  type HeadRow,
  lockHeads,
  type OutcomeRow,
  type Recordable,
  type Statement,
  storeMessages,
} from './record-statements.ts'

/**
 * What became of one message.
 * - recorded: committed; `isDuplicate` says that an earlier message answers for its claim, and `id` is that one's.
 * - key-reused: its idempotency key stands for something else.
 * - unstorable: the database cannot hold it as it is; every repetition would fail.
 * - source-gone: the source was deleted meanwhile.
 * - unavailable: not stored as far as we know; worth a repetition.
 */
export type Recorded =
  | {
      readonly kind: 'recorded'
      readonly id: MessageId
      readonly sequence: number | null
      readonly isDuplicate: boolean
    }
  | { readonly kind: 'key-reused' }
  | { readonly kind: 'unstorable' }
  | { readonly kind: 'source-gone' }
  | { readonly kind: 'unavailable'; readonly error: unknown }

/** Builds the statement that inserts the fan-out tasks of these sources. */
export type FanOutStatement = (sourceIds: readonly SourceId[]) => Promise<Statement>

/** What is to be written in one transaction. */
export interface Batch {
  readonly items: readonly Recordable[]
  /** Whether the items stand or fall together; they are of one source then. */
  readonly allOrNone: boolean
}

/** @returns one answer per message, in order. Never throws. */
export async function recordBatch(lane: Lane, batch: Batch, fanOut: FanOutStatement): Promise<Recorded[]> {
  if (batch.allOrNone && contradictsItself(batch)) return batch.items.map(() => ({ kind: 'key-reused' }))
  const end = await attempt(lane, batch, fanOut)
  switch (end.kind) {
    case 'committed':
      return answersOf(batch, end)
    case 'unknown':
      return lookUp(lane, batch, end.error)
    default:
      return afterRefusal(lane, batch, fanOut, end.error)
  }
}

interface Committed {
  readonly kind: 'committed'
  /** The sources that were there. */
  readonly sourceIds: ReadonlySet<SourceId>
  readonly outcomes: readonly OutcomeRow[]
}

type AttemptEnd = Committed | { kind: 'refused' | 'unknown'; error: unknown }

async function attempt(lane: Lane, { items, allOrNone }: Batch, fanOut: FanOutStatement): Promise<AttemptEnd> {
  try {
    const sourceIds = [...new Set(items.map((item) => item.message.sourceId))].sort()
    const task = await fanOut(sourceIds)
    const end = await lane.transact([lockHeads(sourceIds), storeMessages(leadersOf(items), allOrNone), task])
    if (end.kind !== 'committed') return end
    const [heads, outcomes] = end.rows
    return {
      kind: 'committed',
      sourceIds: new Set((heads as HeadRow[]).map((row) => row.source_id)),
      outcomes: outcomes as OutcomeRow[],
    }
  } catch (error) {
    return { kind: 'refused', error }
  }
}

/** Of equal claims in one batch the first alone goes to the database. */
function leadersOf(items: readonly Recordable[]): Recordable[] {
  const leaders = new Map<string, Recordable>()
  return items.filter((item) => leaderOf(item, leaders) === item)
}

/** @param leaders of the items before, by claim; this one is added where it is the first. */
function leaderOf(item: Recordable, leaders: Map<string, Recordable>): Recordable {
  if (item.claim === null) return item
  const claim = `${item.message.sourceId} ${item.claim.key}`
  const leader = leaders.get(claim) ?? item
  if (leader === item) leaders.set(claim, item)
  return leader
}

function contradictsItself({ items }: Batch): boolean {
  const leaders = new Map<string, Recordable>()
  return items.some((item) => isOther(leaderOf(item, leaders).claim?.bodyHash, item))
}

function answersOf({ items, allOrNone }: Batch, { sourceIds, outcomes }: Committed): Recorded[] {
  const outcomeOf = new Map(outcomes.map((row) => [row.id, row]))
  const leaders = new Map<string, Recordable>()
  const answers = items.map((item): Recorded => {
    if (!sourceIds.has(item.message.sourceId)) return { kind: 'source-gone' }
    const leader = leaderOf(item, leaders)
    const outcome = outcomeOf.get(item.message.id) ?? outcomeOf.get(leader.message.id)
    return outcome === undefined ? missing() : answerOf(item, outcome, leader)
  })
  const isRefused = allOrNone && answers.some((answer) => answer.kind === 'key-reused')
  return isRefused ? answers.map(() => ({ kind: 'key-reused' })) : answers
}

function missing(): Recorded {
  return { kind: 'unavailable', error: new Error('a message was neither stored nor claimed') }
}

/** @param leader whose outcome it is, where it is not the item's own. */
function answerOf(
  item: Recordable,
  { id, sequence, holder_id, holder_hash }: OutcomeRow,
  leader: Recordable,
): Recorded {
  if (id === item.message.id && holder_id === null) return { kind: 'recorded', id, sequence, isDuplicate: false }
  if (isOther(holder_id === null ? leader.claim?.bodyHash : holder_hash, item)) return { kind: 'key-reused' }
  return { kind: 'recorded', id: holder_id ?? id, sequence, isDuplicate: true }
}

/** @param bodyHash of who holds the item's claim. */
function isOther(bodyHash: Buffer | null | undefined, { claim }: Recordable): boolean {
  return bodyHash && claim?.bodyHash ? !bodyHash.equals(claim.bodyHash) : false
}

// The answer to COMMIT got lost. Sending the batch again could store it twice, so only its traces are looked for.
async function lookUp(lane: Lane, batch: Batch, error: unknown): Promise<Recorded[]> {
  const { items } = batch
  const end = await lane.transact([findOutcomes(items)])
  if (end.kind !== 'committed') return items.map(() => ({ kind: 'unavailable', error }))
  const sourceIds = new Set(items.map((item) => item.message.sourceId))
  return answersOf(batch, { kind: 'committed', sourceIds, outcomes: (end.rows[0] ?? []) as OutcomeRow[] })
}

async function afterRefusal(lane: Lane, batch: Batch, fanOut: FanOutStatement, error: unknown): Promise<Recorded[]> {
  const { items, allOrNone } = batch
  switch (verdictOn(error)) {
    case 'try-again':
      return recordOnceMore(lane, batch, fanOut)
    case 'stale-session':
      lane.renew()
      return recordOnceMore(lane, batch, fanOut)
    case 'bad-row':
      if (allOrNone || items.length === 1) return items.map(() => ({ kind: 'unstorable' }))
      return recordParts(lane, halvesOf(items), fanOut)
    case 'locked-source': {
      const parts = bySource(items)
      return parts.length === 1 ? items.map(() => ({ kind: 'unavailable', error })) : recordParts(lane, parts, fanOut)
    }
    default:
      // A server that became read-only, for one, would refuse this session for ever.
      lane.renew()
      return items.map(() => ({ kind: 'unavailable', error }))
  }
}

/**
 * Classes 22 (data), 23 (constraint) and 54 (limit) say that some row is bad. A deadlock's victim may try again. 0A000
 * (a migration changed what a prepared statement returns) and 26000 (the session forgot it) end with the session.
 */
function verdictOn(error: unknown): 'bad-row' | 'locked-source' | 'try-again' | 'stale-session' | 'failure' {
  const code = sqlStateOf(error)
  if (code === '40P01') return 'try-again'
  if (code === '0A000' || code === '26000') return 'stale-session'
  if (isLockTimeout(error)) return 'locked-source'
  return /^(22|23|54)/.test(code) ? 'bad-row' : 'failure'
}

async function recordOnceMore(lane: Lane, batch: Batch, fanOut: FanOutStatement): Promise<Recorded[]> {
  const end = await attempt(lane, batch, fanOut)
  if (end.kind === 'committed') return answersOf(batch, end)
  if (end.kind === 'unknown') return lookUp(lane, batch, end.error)
  return batch.items.map(() => ({ kind: 'unavailable', error: end.error }))
}

async function recordParts(lane: Lane, parts: readonly Part[], fanOut: FanOutStatement): Promise<Recorded[]> {
  const answers: Recorded[] = []
  for (const part of parts) {
    const items = part.map(({ item }) => item)
    const recorded = await recordBatch(lane, { items, allOrNone: false }, fanOut)
    part.forEach(({ place }, index) => {
      const answer = recorded[index]
      if (answer !== undefined) answers[place] = answer
    })
  }
  return answers
}

/** Messages of a batch with their places in it. */
type Part = readonly { readonly item: Recordable; readonly place: number }[]

// In halves rather than row by row: one bad row among 500 costs some twenty more transactions, not five hundred.
function halvesOf(batch: readonly Recordable[]): Part[] {
  const all = batch.map((item, place) => ({ item, place }))
  const middle = Math.ceil(all.length / 2)
  return [all.slice(0, middle), all.slice(middle)]
}

// The locked source is met once, alone; the others are stored without it.
function bySource(batch: readonly Recordable[]): Part[] {
  const all = batch.map((item, place) => ({ item, place }))
  return [...Map.groupBy(all, ({ item }) => item.message.sourceId).values()]
}

const lockTimeout = '55P03'

/** Whether the error says that another session holds a source's head for too long. */
export function isLockTimeout(error: unknown): boolean {
  return sqlStateOf(error) === lockTimeout
}

function sqlStateOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}
