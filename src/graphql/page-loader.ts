import { type Page, pageOf } from '../projects/page.ts'
import type { Context } from './context.ts'
import { contextLoader } from './context-loader.ts'

/** Which page of which parent. */
export interface PagePlace<Parent, Key> {
  readonly parent: Parent
  readonly first: number
  /** The key of the last item of the page before. */
  readonly after: Key | null
}

/**
 * Loads the nested pages of many parents together.
 *
 * @param loadMany loads `first` + 1 rows for each parent, whose pages all have the same size.
 */
export function pageLoader<Parent extends string, Key extends string, Row>(
  loadMany: (
    context: Context,
    places: readonly PagePlace<Parent, Key>[],
    first: number,
  ) => Promise<ReadonlyMap<Parent, Row[]>>,
): (context: Context, place: PagePlace<Parent, Key>) => Promise<Page<Row>> {
  // Loaders tell keys apart by identity: a place is named by its text.
  const loadPage = contextLoader<string, Page<Row>>(async (context, names) => {
    const pages = new Map<string, Page<Row>>()
    for (const same of Map.groupBy(names.map(placeOf<Parent, Key>), sliceOf).values()) {
      const first = same[0]?.first ?? 0
      const rows = await loadMany(context, same, first)
      for (const place of same) pages.set(nameOf(place), pageOf(rows.get(place.parent) ?? [], first))
    }
    return pages
  })
  return async (context, place) => (await loadPage(context, nameOf(place))) ?? { rows: [], hasMore: false }
}

function nameOf<Parent, Key>({ parent, first, after }: PagePlace<Parent, Key>): string {
  return JSON.stringify([parent, first, after])
}

function placeOf<Parent, Key>(name: string): PagePlace<Parent, Key> {
  const [parent, first, after] = JSON.parse(name)
  return { parent, first, after }
}

// What is loaded together: a result tells rows apart by their parent alone, so that a parent comes once.
function sliceOf<Parent, Key>({ first, after }: PagePlace<Parent, Key>): string {
  return JSON.stringify([first, after])
}
