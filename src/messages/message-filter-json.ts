import { z } from 'zod'
import { parseJson } from '../kernel/json.ts'
import type { Issue } from '../kernel/outcome.ts'
import { issue } from '../projects/input-checks.ts'
import { type CompiledFilter, compileMessageFilter } from './message-filter.ts'
import { checkMessageFilter, type MessageFilter } from './message-filter-input.ts'

const textMatch = z.strictObject({ name: z.string(), value: z.string() })

/** The shape alone, which GraphQL's own types check elsewhere. */
const filterShape: z.ZodType<MessageFilter> = z.lazy(() =>
  z.strictObject({
    types: z.array(z.string()).nullish(),
    exact: textMatch.nullish(),
    prefix: textMatch.nullish(),
    suffix: textMatch.nullish(),
    header: textMatch.nullish(),
    data: z
      .strictObject({
        pointer: z.string(),
        value: z.union([z.string(), z.number(), z.boolean(), z.null()]).optional(),
      })
      .nullish(),
    all: z.array(filterShape).nullish(),
    any: z.array(filterShape).nullish(),
    not: filterShape.nullish(),
  }),
)

export type ParsedFilter =
  | { readonly kind: 'filter'; readonly filter: CompiledFilter }
  | { readonly kind: 'malformed'; readonly issue: Issue }

/**
 * Reads a filter from JSON, in the form of the GraphQL input `MessageFilter`.
 *
 * @param path of the filter, such as `['filter']`; the issue's path goes on from it.
 */
export function parseMessageFilter(text: string, path: readonly string[]): ParsedFilter {
  const json = parseJson(text)
  if (json === undefined) return malformed(issue('MALFORMED', path, 'This is not JSON.'))
  const shaped = filterShape.safeParse(json)
  if (!shaped.success) {
    const [first] = shaped.error.issues
    const place = first?.path.map(String) ?? []
    return malformed(issue('MALFORMED', [...path, ...place], `${first?.message ?? 'This is no filter'}.`))
  }
  const [first] = checkMessageFilter(shaped.data, path)
  return first === undefined ? { kind: 'filter', filter: compileMessageFilter(shaped.data) } : malformed(first)
}

function malformed(found: Issue): ParsedFilter {
  return { kind: 'malformed', issue: found }
}
