import type { ArgBuilder } from '@pothos/core'
import { decodeListCursor, encodeListCursor } from '../live/cursor.ts'
import type { builder } from './builder.ts'
import type { Context } from './context.ts'
import { badUserInput } from './request-error.ts'

const maxFirst = 100

/** The arguments of every list. */
export interface PageArguments {
  readonly first: number
  readonly after?: string | null | undefined
}

/** A page as the connection types give it out. */
export interface Connection<Row> {
  readonly edges: { cursor: string; node: Row }[]
  readonly pageInfo: {
    hasNextPage: boolean
    hasPreviousPage: boolean
    startCursor: string | null
    endCursor: string | null
  }
}

/** The `totalCount` of a list whose resolver gave `countAll`; counted only when it is asked for. */
export async function totalCountOf(page: { countAll?: () => Promise<number> }): Promise<number> {
  if (page.countAll === undefined) throw new Error('the list is not counted')
  return await page.countAll()
}

type Arguments = ArgBuilder<typeof builder.$inferSchemaTypes>

export function pageArguments(arg: Arguments, afterDescription = 'Go on after this place.') {
  return {
    first: arg.int({ required: true, defaultValue: 25, description: 'How many at most; 1 to 100.' }),
    after: arg({ type: 'Cursor', description: afterDescription }),
  }
}

/** @throws GraphQLError BAD_USER_INPUT when `first` is not within 1 to 100. */
export function checkFirst(first: number): number {
  if (first < 1 || first > maxFirst) throw badUserInput('`first` needs a number from 1 to 100.')
  return first
}

/** A list that is paged by the key of its last item. `name` is part of its cursors, so that they fit no other list. */
export interface PagedList<Key extends string> {
  /** @throws GraphQLError BAD_USER_INPUT when `first` is out of bounds or `after` is not a cursor of this list. */
  read(context: Context, args: PageArguments): { first: number; after: Key | null }
  /** @param endKey where the next page begins, when that is not after the last row. */
  connection<Row>(context: Context, args: PageArguments, page: ListPage<Row, Key>): Connection<Row>
}

export interface ListPage<Row, Key extends string> {
  readonly rows: readonly Row[]
  readonly hasMore: boolean
  readonly keyOf: (row: Row) => Key
  /** The key of the last row that was looked at, when a filter hid it; otherwise that of the last row. */
  readonly lookedToKey?: Key | null
}

/** @param isKey whether the text is a key of this list at all; cursors with others are refused. */
export function pagedList<Key extends string>(name: string, isKey: (text: string) => text is Key): PagedList<Key> {
  return {
    read: ({ viewer }, { first, after }) => {
      checkFirst(first)
      if (after === null || after === undefined) return { first, after: null }
      const place = decodeListCursor(after)
      if (place === null || place.list !== name || place.projectId !== viewer.projectId || !isKey(place.key)) {
        throw badUserInput('`after` is not a cursor of this list.')
      }
      return { first, after: place.key }
    },
    connection({ viewer }, args, { rows, hasMore, keyOf, lookedToKey }) {
      const cursorOf = (key: Key) => encodeListCursor({ list: name, projectId: viewer.projectId, key })
      const edges = rows.map((node) => ({ cursor: cursorOf(keyOf(node)), node }))
      const end = lookedToKey ? cursorOf(lookedToKey) : edges.at(-1)?.cursor
      return { edges, pageInfo: pageInfoOf(args, { edges, hasMore, end: end ?? null }) }
    },
  }
}

export function pageInfoOf(
  args: PageArguments,
  page: { edges: readonly { cursor: string }[]; hasMore: boolean; end: string | null },
): Connection<unknown>['pageInfo'] {
  return {
    hasNextPage: page.hasMore,
    hasPreviousPage: args.after !== null && args.after !== undefined,
    startCursor: page.edges[0]?.cursor ?? null,
    endCursor: page.end,
  }
}
