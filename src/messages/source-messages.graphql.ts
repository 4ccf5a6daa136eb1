import { builder } from '../graphql/builder.ts'
import { type Connection, checkFirst, type PageArguments, pageArguments, pageInfoOf } from '../graphql/connection.ts'
import type { Context } from '../graphql/context.ts'
import { ListOrder } from '../graphql/list-order.ts'
import { badUserInput, requestError } from '../graphql/request-error.ts'
import type { SourceId } from '../kernel/ids.ts'
import { decodeCursor, encodeCursor } from '../live/cursor.ts'
import type { LogHead } from '../live/log-reader.ts'
import type { Source } from '../sources/index.ts'
import { headOf, SourceNode } from '../sources/sources.graphql.ts'
import type { StoredMessage } from './message.ts'
import { MessageNode } from './messages.graphql.ts'

const MessageConnection = builder.connectionObject({
  type: MessageNode,
  name: 'MessageConnection',
  description: 'A page of messages of a source, by sequence.',
})

interface Arguments extends PageArguments {
  readonly order: 'newest-first' | 'oldest-first'
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
    },
    resolve: (source, args, context) => readPage(context, source, args),
  }),
)

async function readPage(context: Context, source: Source, args: Arguments): Promise<Connection<StoredMessage>> {
  const first = checkFirst(args.first)
  const head = await headOf(context, source.id)
  const after = args.after === null || args.after === undefined ? null : placeIn(context, head, args.after)
  const rows = await context.bodies.take(async (leftBytes) =>
    leftBytes === 0 ? [] : await readRows(context, head, { order: args.order, after, first, maxBytes: leftBytes }),
  )
  const cursorOf = (sequence: number) => cursorIn(context, head, sequence)
  const edges = rows.map((node) => ({ cursor: cursorOf(node.sequence), node }))
  const last = rows.at(-1)?.sequence ?? after
  const hasMore = args.order === 'oldest-first' ? hasLater(head, last) : hasEarlier(head, last)
  return { edges, pageInfo: pageInfoOf(args, { edges, hasMore, end: last === null ? null : cursorOf(last) }) }
}

function hasLater(head: LogHead, last: number | null): boolean {
  return last === null ? head.lastSequence >= head.firstSequence : last < head.lastSequence
}

function hasEarlier(head: LogHead, last: number | null): boolean {
  return last === null ? head.lastSequence >= head.firstSequence : last > head.firstSequence
}

interface Slice extends Pick<Arguments, 'order' | 'first'> {
  readonly after: number | null
  readonly maxBytes: number
}

async function readRows(
  { services: { messages } }: Context,
  head: LogHead,
  { order, after, first, maxBytes }: Slice,
): Promise<StoredMessage[]> {
  const limits = { maxRows: first, maxBytes }
  return order === 'oldest-first'
    ? await messages.page(head.sourceId, after ?? head.firstSequence - 1, limits)
    : await messages.pageBackwards(head.sourceId, after ?? head.lastSequence + 1, limits)
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
