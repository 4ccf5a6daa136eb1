import type { Context } from '../graphql/context.ts'
import { contextLoader } from '../graphql/context-loader.ts'
import { type FilteredPlace, type FoundPage, type FoundPages, findMessages } from './find-messages.ts'
import { compileFilterArgument } from './message-filter.graphql.ts'
import type { CompiledFilter } from './message-filter.ts'
import type { MessageFilter } from './message-filter-input.ts'
import type { LogOrder } from './message-store.ts'

/** Rows that one answer looks at, over all of its filtered pages. */
const maxRows = 10_000
/** What one answer takes for holding messages against filters: a tenant can write filters that take milliseconds each. */
const maxMs = 2_000

/** Which page of which log. */
export interface FilteredSlice {
  readonly place: FilteredPlace
  readonly order: LogOrder
  readonly first: number
}

/** @throws GraphQLError BAD_USER_INPUT when the filter is not acceptable. */
export async function readFilteredPage(
  context: Context,
  slice: FilteredSlice,
  filter: MessageFilter,
): Promise<FoundPage> {
  const page = await pageOfSlice(context, JSON.stringify([slice, rememberFilter(context, filter)]))
  return page ?? { messages: [], lookedTo: null, isAtEnd: false }
}

// As in the pages without a filter, what differs in its place alone is read together.
const pageOfSlice = contextLoader<string, FoundPage>(async (context, names) => {
  const found = new Map<string, FoundPage>()
  for (const same of Map.groupBy(names, likeness).values()) {
    const pages = await readPages(context, same.map(sliceOf))
    for (const [index, name] of same.entries()) {
      const page = pages[index]
      if (page !== undefined) found.set(name, page)
    }
  }
  return found
})

function sliceOf(name: string): FilteredSlice & { filterNumber: number } {
  const [slice, filterNumber] = JSON.parse(name)
  return { ...slice, filterNumber }
}

function likeness(name: string): string {
  const { order, first, filterNumber } = sliceOf(name)
  return `${order} ${first} ${filterNumber}`
}

async function readPages(context: Context, slices: readonly ReturnType<typeof sliceOf>[]): Promise<FoundPage[]> {
  const { services, viewer, budget } = context
  const answer = answerOf(context)
  const [like] = slices
  const filter = answer.filters[like?.filterNumber ?? -1]?.compiled
  if (like === undefined || filter === undefined) return []
  const [found] = await budget.read<FoundPages>(
    ({ bytes }) => bytes,
    async (leftBytes) => {
      const search = {
        projectId: viewer.projectId,
        places: slices.map(({ place }) => place),
        order: like.order,
        filter,
        first: like.first,
        maxRows: answer.leftRows,
        maxBytes: leftBytes,
        maxMs: answer.leftMs,
      }
      const pages = await findMessages(services.messages, search)
      answer.leftRows = Math.max(0, answer.leftRows - pages.rows)
      answer.leftMs = Math.max(0, answer.leftMs - pages.tookMs)
      return [pages]
    },
  )
  return found?.pages ?? []
}

/** What one execution knows of its filtered pages. */
interface Answer {
  readonly filters: { readonly text: string; readonly compiled: CompiledFilter }[]
  leftRows: number
  leftMs: number
}

const answers = new WeakMap<Context, Answer>()

function answerOf(context: Context): Answer {
  const known = answers.get(context) ?? { filters: [], leftRows: maxRows, leftMs: maxMs }
  answers.set(context, known)
  return known
}

/** @returns the number of the filter in this answer: equal ones, such as of all sources in a page, have the same. */
function rememberFilter(context: Context, filter: MessageFilter): number {
  const { filters } = answerOf(context)
  const text = JSON.stringify(filter)
  const known = filters.findIndex((other) => other.text === text)
  return known === -1 ? filters.push({ text, compiled: compileFilterArgument(filter) }) - 1 : known
}
