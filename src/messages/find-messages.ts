import type { ProjectId } from '../kernel/ids.ts'
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
}

export async function findMessages(store: MessageStore, search: MessageSearch): Promise<FoundPages> {
  const left = { rows: search.maxRows, bytes: search.maxBytes }
  const all = search.places.map((place): Progress => ({ place, found: [], lookedTo: null, isAtEnd: false }))
  let open = all
  for (let roundRows = 4 * search.first; open.length > 0 && left.rows > 0 && left.bytes > 0; roundRows *= 2) {
    await lookOn({ store, search, left }, open, roundRows)
    open = open.filter(({ found, isAtEnd }) => !isAtEnd && found.length < search.first)
  }
  const pages = await withBodies(store, search.projectId, all)
  return { pages, rows: search.maxRows - left.rows, bytes: search.maxBytes - left.bytes }
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
    const isAll = look({ store, search, left }, progress, page)
    // Bytes may have cut a page short.
    progress.isAtEnd = isAll && page.length < limits.maxRows && readBytes < limits.maxBytes
  }
}

function boundedBytesOf(row: Row): number {
  return row.body === null ? Buffer.byteLength(row.headersText) : row.body.length
}

/** @returns false when it stopped before the end of the page: enough was found, or no more bodies can be read. */
function look({ search, left }: Looking, progress: Progress, page: readonly Row[]): boolean {
  for (const row of page) {
    if (progress.found.length === search.first) return false
    left.rows -= 1
    if (search.filter.matches(filteredMessage(row, progress.place.sourceName))) {
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
