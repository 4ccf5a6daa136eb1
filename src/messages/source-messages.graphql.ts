import { builder } from '../graphql/builder.ts'
import { type Connection, checkFirst, type PageArguments, pageArguments, pageInfoOf } from '../graphql/connection.ts'
import type { Context } from '../graphql/context.ts'
import { contextLoader } from '../graphql/context-loader.ts'
import { ListOrder } from '../graphql/list-order.ts'
import { badUserInput, requestError } from '../graphql/request-error.ts'
import type { SourceId } from '../kernel/ids.ts'
import { decodeCursor, encodeCursor } from '../live/cursor.ts'
import type { LogHead } from '../live/log-reader.ts'
import type { Source } from '../sources/index.ts'
import { headOf, SourceNode } from '../sources/sources.graphql.ts'
import { readFilteredPage } from './filtered-pages.graphql.ts'
import type { FoundPage } from './find-messages.ts'
import type { StoredMessage } from './message.ts'
import { MessageFilterInput } from './message-filter.graphql.ts'
import type { MessageFilter } from './message-filter-input.ts'
import type { LogOrder, LogPlace } from './message-store.ts'
import { bodyBytesOf, MessageNode } from './messages.graphql.ts'

const MessageConnection = builder.connectionObject({
  type: MessageNode,
  name: 'MessageConnection',
  description: 'A page of messages of a source, by sequence.',
})

interface Arguments extends PageArguments {
  readonly order: LogOrder
  readonly filter?: MessageFilter | null | undefined
}

builder.objectField(SourceNode, 'messages', (t) =>
  t.field({
    type: MessageConnection,
    description: 'The log, by sequence. Scope: LISTEN.',
    authScopes: { scope: 'listen' },
    args: {
      order: t.arg({
        type: ListOrder,
        required: true,
        defaultValue: 'newest-first',
        description: 'Which end to begin at.',
      }),
      ...pageArguments(t.arg, 'Go on after this place, which may come from a stream.'),
      filter: t.arg({ type: MessageFilterInput, description: 'Only these; null is all.' }),
    },
    resolve: (source, args, context) => readPage(context, source, args),
  }),
)

async function readPage(context: Context, source: Source, args: Arguments): Promise<Connection<StoredMessage>> {
  const first = checkFirst(args.first)
  const head = await headOf(context, source.id)
  const after = args.after === null || args.after === undefined ? null : placeIn(context, head, args.after)
  const page = await readSlice(context, source, { args, first, sequence: beside(head, args.order, after) })
  const cursorOf = (sequence: number) => cursorIn(context, head, sequence)
  const edges = page.messages.map((node) => ({ cursor: cursorOf(node.sequence), node }))
  const last = page.lookedTo ?? after
  const hasMore = args.order === 'oldest-first' ? hasLater(head, last) : hasEarlier(head, last)
  const end = last === null ? null : cursorOf(last)
  return { edges, pageInfo: pageInfoOf(args, { edges, hasMore: hasMore && !page.isAtEnd, end }) }
}

interface Begin {
  readonly args: Arguments
  readonly first: number
  readonly sequence: number
}

async function readSlice(context: Context, source: Source, { args, first, sequence }: Begin): Promise<FoundPage> {
  const { order, filter } = args
  if (filter) {
    const place = { sourceId: source.id, sequence, sourceName: source.name }
    return await readFilteredPage(context, { place, order, first }, filter)
  }
  const messages = await readRows(context, { order, first, sourceId: source.id, sequence })
  return { messages, lookedTo: messages.at(-1)?.sequence ?? null, isAtEnd: false }
}

function hasLater(head: LogHead, last: number | null): boolean {
  return last === null ? head.lastSequence >= head.firstSequence : last < head.lastSequence
}

function hasEarlier(head: LogHead, last: number | null): boolean {
  return last === null ? head.lastSequence >= head.firstSequence : last > head.firstSequence
}

// Without a place, the end that the order begins at.
function beside(head: LogHead, order: LogOrder, after: number | null): number {
  if (after !== null) return after
  return order === 'oldest-first' ? head.firstSequence - 1 : head.lastSequence + 1
}

interface Slice extends LogPlace {
  readonly order: LogOrder
  readonly first: number
}

/** Messages of a log, within what the answer may still hold; slices alike are read together. */
export async function readRows(context: Context, slice: Slice): Promise<StoredMessage[]> {
  return (await rowsOfSlice(context, JSON.stringify(slice))) ?? []
}

// Loaders tell keys apart by identity: a slice is named by its text. Slices of the same order and size, such as those of
// all sources in a page, are read together.
const rowsOfSlice = contextLoader<string, StoredMessage[]>(async (context, names) => {
  const found = new Map<string, StoredMessage[]>()
  for (const same of Map.groupBy(names, likeness).values()) {
    const pages = await readPages(context, same.map(sliceOf))
    for (const [index, name] of same.entries()) found.set(name, pages[index] ?? [])
  }
  return found
})

function sliceOf(name: string): Slice {
  return JSON.parse(name)
}

function likeness(name: string): string {
  const { order, first } = sliceOf(name)
  return `${order} ${first}`
}

async function readPages({ services, budget }: Context, slices: readonly Slice[]): Promise<StoredMessage[][]> {
  const [like] = slices
  if (like === undefined) return []
  return await budget.read(
    (page) => page.reduce((bytes, message) => bytes + bodyBytesOf(message), 0),
    async (leftBytes) =>
      leftBytes === 0
        ? []
        : await services.messages.pages(slices, like.order, { maxRows: like.first, maxBytes: leftBytes }),
  )
}

/**
 * The sequence that a cursor of this source's log stands at.
 *
 * @throws GraphQLError BAD_USER_INPUT for garbage, another source's cursor or one from the future; CURSOR_EXPIRED when
 *   what follows it is no longer kept, or belongs to a log that was since restored from a backup.
 */
function placeIn(context: Context, head: LogHead, after: string): number {
  const place = decodeCursor(after)
  if (place === null || place.projectId !== context.viewer.projectId || place.sourceId !== head.sourceId) {
    throw badUserInput("`after` is not a cursor of this source's log.")
  }
  if (place.logEpoch !== head.logEpoch || place.sequence < head.firstSequence - 1) {
    throw requestError('CURSOR_EXPIRED', 'What follows this place is no longer kept: begin without `after`.')
  }
  if (place.sequence > head.lastSequence) throw badUserInput('`after` is a place that the log has not reached.')
  return place.sequence
}

/** The cursor after a message of a source's log. */
export function cursorIn(
  { viewer }: Pick<Context, 'viewer'>,
  { sourceId, logEpoch }: { sourceId: SourceId; logEpoch: string },
  sequence: number,
): string {
  return encodeCursor({ projectId: viewer.projectId, sourceId, logEpoch, sequence })
}
