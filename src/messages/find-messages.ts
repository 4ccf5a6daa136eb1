import type { ProjectId } from '../kernel/ids.ts'
import { createTurns } from '../kernel/turn.ts'
import { filteredMessage } from './filtered-message.ts'
import type { StoredMessage } from './message.ts'
import type { CompiledFilter } from './message-filter.ts'
import type { LogOrder, LogPlace, MessageHead, MessageStore } from './message-store.ts'

/*
 * Pages of what a filter lets through. The rows of all logs are read in rounds, each one statement, and held against the
 * filter here. Bodies are read with them where a test looks at bodies, and otherwise at the end for what was found.
 */

export interface FilteredPlace extends LogPlace {
  readonly sourceName: string
}

export interface MessageSearch {
  readonly projectId: ProjectId
  /** Where each page begins. */
  readonly places: readonly FilteredPlace[]
  readonly order: LogOrder
  readonly filter: CompiledFilter
  /** How many messages a page holds at most. */
  readonly first: number
  /** Of all pages together, about; the logs share them evenly. */
  readonly maxRows: number
  /** Body bytes of all pages together, hidden messages included where the filter reads bodies; one body is always read. */
  readonly maxBytes: number
  /** What holding messages against the filter may take in all, about; one message is always looked at. */
  readonly maxMs: number
}

export interface FoundPage {
  readonly messages: StoredMessage[]
  /** The last sequence that was looked at, hidden or not; null when none was. */
  readonly lookedTo: number | null
  /** Whether the log holds nothing beyond. */
  readonly isAtEnd: boolean
}

export interface FoundPages {
  /** One per place. */
  readonly pages: FoundPage[]
  /** How many were looked at. */
  readonly rows: number
  /** Body bytes that were read. */
  readonly bytes: number
  /** What was spent of `maxMs`. */
  readonly tookMs: number
}

/** Of one round. Rounds begin small, since most pages are soon full. */
const maxRoundRows = 1_000
/** Header bytes of one round. */
const maxHeaderBytes = 2 * 1024 * 1024

type Row = StoredMessage | MessageHead

/** The search of one log. */
interface Progress {
  readonly place: FilteredPlace
  readonly found: Row[]
  lookedTo: number | null
  isAtEnd: boolean
}

interface Left {
  rows: number
  bytes: number
  ms: number
}

export async function findMessages(store: MessageStore, search: MessageSearch): Promise<FoundPages> {
  const left = { rows: search.maxRows, bytes: search.maxBytes, ms: search.maxMs }
  const all = search.places.map((place): Progress => ({ place, found: [], lookedTo: null, isAtEnd: false }))
  let open = all
  for (let roundRows = 4 * search.first; open.length > 0 && isAnyLeft(left); roundRows *= 2) {
    await lookOn({ store, search, left }, open, roundRows)
    open = open.filter(({ found, isAtEnd }) => !isAtEnd && found.length < search.first)
  }
  const pages = await withBodies(store, search.projectId, all)
  const { maxRows, maxBytes, maxMs } = search
  return { pages, rows: maxRows - left.rows, bytes: maxBytes - left.bytes, tookMs: maxMs - left.ms }
}

function isAnyLeft({ rows, bytes, ms }: Left): boolean {
  return rows > 0 && bytes > 0 && ms > 0
}

interface Looking {
  readonly store: MessageStore
  readonly search: MessageSearch
  readonly left: Left
}

async function lookOn({ store, search, left }: Looking, open: readonly Progress[], roundRows: number): Promise<void> {
  const share = Math.ceil(Math.min(maxRoundRows, left.rows) / open.length)
  const limits = {
    maxRows: Math.min(roundRows, share),
    maxBytes: search.filter.readsBodies ? left.bytes : maxHeaderBytes,
  }
  const places = open.map(({ place, lookedTo }) => ({ ...place, sequence: lookedTo ?? place.sequence }))
  const pages: Row[][] = search.filter.readsBodies
    ? await store.pages(places, search.order, limits)
    : await store.pagesWithoutBodies(places, search.order, limits)
  const readBytes = pages.flat().reduce((sum, row) => sum + boundedBytesOf(row), 0)
  if (search.filter.readsBodies) left.bytes -= readBytes
  for (const [index, progress] of open.entries()) {
    const page = pages[index] ?? []
    const isAll = await look({ store, search, left }, progress, page)
    // Bytes may have cut a page short.
    progress.isAtEnd = isAll && page.length < limits.maxRows && readBytes < limits.maxBytes
  }
}

function boundedBytesOf(row: Row): number {
  return row.body === null ? Buffer.byteLength(row.headersText) : row.body.length
}

/** @returns false when it stopped before the end of the page: enough was found, or nothing is left to go on with. */
async function look({ search, left }: Looking, progress: Progress, page: readonly Row[]): Promise<boolean> {
  const turns = createTurns()
  for (const row of page) {
    if (progress.found.length === search.first || left.ms <= 0) return false
    await turns()
    left.rows -= 1
    const beganMs = performance.now()
    const isMatch = search.filter.matches(filteredMessage(row, progress.place.sourceName))
    left.ms -= performance.now() - beganMs
    if (isMatch) {
      if (row.body === null) {
        if (left.bytes <= 0) return false
        left.bytes -= row.bodyBytes
      }
      progress.found.push(row)
    }
    progress.lookedTo = row.sequence
  }
  return true
}

async function withBodies(store: MessageStore, projectId: ProjectId, all: readonly Progress[]): Promise<FoundPage[]> {
  const ids = all.flatMap(({ found }) => found.filter(({ body }) => body === null).map(({ id }) => id))
  // Their bytes were counted when they were found.
  const { messages } = ids.length === 0 ? { messages: [] } : await store.byIds(projectId, ids, Number.MAX_SAFE_INTEGER)
  const read = new Map(messages.map((message) => [message.id, message]))
  return all.map(({ found, lookedTo, isAtEnd }) => ({
    // Retention may have taken one in between.
    messages: found.map((row) => (row.body === null ? read.get(row.id) : row)).filter((row) => row !== undefined),
    lookedTo,
    isAtEnd,
  }))
}
