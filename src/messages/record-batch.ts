import type { MessageId, SourceId } from '../kernel/ids.ts'
import type { Lane } from './lane.ts'
import {
  type ClaimRow,
  findStored,
  type HeadRow,
  lockHeads,
  type Recordable,
  readClaims,
  type Statement,
  type StoredRow,
  storeMessages,
} from './record-statements.ts'

/**
 * What became of one message.
 * - recorded: committed; `isDuplicate` says that an earlier message answers for its claim, and `id` is that one's.
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
  | { readonly kind: 'unstorable' }
  | { readonly kind: 'source-gone' }
  | { readonly kind: 'unavailable'; readonly error: unknown }

/** Builds the statement that inserts the fan-out tasks of these sources. */
export type FanOutStatement = (sourceIds: readonly SourceId[]) => Promise<Statement>

/** @returns one answer per message, in order. Never throws. */
export async function recordBatch(
  lane: Lane,
  batch: readonly Recordable[],
  fanOut: FanOutStatement,
): Promise<Recorded[]> {
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
  readonly heads: HeadRow[]
  readonly stored: StoredRow[]
  readonly claims: ClaimRow[]
}

type AttemptEnd = Committed | { kind: 'refused' | 'unknown'; error: unknown }

async function attempt(lane: Lane, batch: readonly Recordable[], fanOut: FanOutStatement): Promise<AttemptEnd> {
  try {
    const sourceIds = [...new Set(batch.map((item) => item.message.sourceId))].sort()
    const hasClaims = batch.some((item) => item.claimKey !== null)
    const task = await fanOut(sourceIds)
    const statements = [lockHeads(sourceIds), storeMessages(batch), ...(hasClaims ? [readClaims(batch)] : []), task]
    const end = await lane.transact(statements)
    if (end.kind !== 'committed') return end
    const [heads, stored, claims] = end.rows
    return {
      kind: 'committed',
      heads: heads as HeadRow[],
      stored: stored as StoredRow[],
      claims: hasClaims ? (claims as ClaimRow[]) : [],
    }
  } catch (error) {
    return { kind: 'refused', error }
  }
}

function answersOf(batch: readonly Recordable[], { heads, stored, claims }: Committed): Recorded[] {
  const present = new Set(heads.map((row) => row.source_id))
  const sequences = new Map(stored.map((row) => [row.id, row.sequence]))
  const winners = new Map(claims.map((row) => [`${row.source_id} ${row.key}`, row]))
  return batch.map(({ message, claimKey }) => {
    if (!present.has(message.sourceId)) return { kind: 'source-gone' }
    const sequence = sequences.get(message.id)
    if (sequence !== undefined) return { kind: 'recorded', id: message.id, sequence, isDuplicate: false }
    const winner = claimKey === null ? undefined : winners.get(`${message.sourceId} ${claimKey}`)
    if (winner === undefined)
      return { kind: 'unavailable', error: new Error('a message was neither stored nor claimed') }
    return { kind: 'recorded', id: winner.message_id, sequence: winner.sequence, isDuplicate: true }
  })
}

// The answer to COMMIT got lost. Sending the batch again could store it twice, so only its traces are looked for.
async function lookUp(lane: Lane, batch: readonly Recordable[], error: unknown): Promise<Recorded[]> {
  const end = await lane.transact([findStored(batch.map((item) => item.message.id))])
  const rows = end.kind === 'committed' ? (end.rows[0] as StoredRow[]) : []
  const sequences = new Map(rows.map((row) => [row.id, row.sequence]))
  return batch.map(({ message }) => {
    const sequence = sequences.get(message.id)
    if (sequence === undefined) return { kind: 'unavailable', error }
    return { kind: 'recorded', id: message.id, sequence, isDuplicate: false }
  })
}

async function afterRefusal(
  lane: Lane,
  batch: readonly Recordable[],
  fanOut: FanOutStatement,
  error: unknown,
): Promise<Recorded[]> {
  switch (verdictOn(error)) {
    case 'try-again':
      return recordOnceMore(lane, batch, fanOut)
    case 'stale-session':
      lane.renew()
      return recordOnceMore(lane, batch, fanOut)
    case 'bad-row':
      return batch.length === 1 ? [{ kind: 'unstorable' }] : recordParts(lane, halvesOf(batch), fanOut)
    case 'locked-source': {
      const parts = bySource(batch)
      return parts.length === 1 ? batch.map(() => ({ kind: 'unavailable', error })) : recordParts(lane, parts, fanOut)
    }
    default:
      // A server that became read-only, for one, would refuse this session for ever.
      lane.renew()
      return batch.map(() => ({ kind: 'unavailable', error }))
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

async function recordOnceMore(lane: Lane, batch: readonly Recordable[], fanOut: FanOutStatement): Promise<Recorded[]> {
  const end = await attempt(lane, batch, fanOut)
  if (end.kind === 'committed') return answersOf(batch, end)
  if (end.kind === 'unknown') return lookUp(lane, batch, end.error)
  return batch.map(() => ({ kind: 'unavailable', error: end.error }))
}

async function recordParts(lane: Lane, parts: readonly Part[], fanOut: FanOutStatement): Promise<Recorded[]> {
  const answers: Recorded[] = []
  for (const part of parts) {
    const recorded = await recordBatch(
      lane,
      part.map(({ item }) => item),
      fanOut,
    )
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
