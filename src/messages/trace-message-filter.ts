import { parseJsonPointer } from '../kernel/json-pointer.ts'
import { unreachable } from '../kernel/unreachable.ts'
import type { FilteredMessage } from './filtered-message.ts'
import { compileMessageFilter, type MessageTest, type TestPlace } from './message-filter.ts'
import { isWrittenNumber, type MessageFilter, type PointerMatch } from './message-filter-input.ts'

/** How one test of a filter came out. */
export interface FilterStep {
  /** Where the test stands, from the outside in, such as `['all', '1', 'exact']`. */
  readonly path: readonly string[]
  /** In words, at most 200 characters. */
  readonly test: string
  /** What the message has there, at most 200 characters; null when nothing. */
  readonly found: string | null
  readonly isMatch: boolean
}

export interface FilterTrace {
  /** In the order in which the tests were decided; those that nothing depended on are left out. At most 100. */
  readonly steps: readonly FilterStep[]
  readonly verdict: 'matches' | 'differs' | 'failed'
}

const maxCharacters = 200

/**
 * Puts a message to a filter and tells how: by the very tests that decide who gets messages.
 *
 * @param filter as for `compileMessageFilter`.
 */
export function traceMessageFilter(filter: MessageFilter, message: FilteredMessage): FilterTrace {
  const steps: FilterStep[] = []
  let failedAt: TestPlace | null = null
  const watched = (test: MessageTest, place: TestPlace) => (seen: FilteredMessage) => {
    try {
      const isMatch = test(seen)
      steps.push({ path: place.path, test: cut(wordsOf(place)), found: cutOrNull(foundBy(place, seen)), isMatch })
      return isMatch
    } catch (error) {
      // Of the tests that are left by this, the innermost comes first.
      failedAt ??= place
      throw error
    }
  }
  try {
    const verdict = compileMessageFilter(filter, watched).matches(message) ? 'matches' : 'differs'
    return { steps, verdict }
  } catch {
    return { steps: failedAt === null ? steps : [...steps, failedStep(failedAt)], verdict: 'failed' }
  }
}

function failedStep(place: TestPlace): FilterStep {
  return { path: place.path, test: cut(`${wordsOf(place)} (could not be evaluated)`), found: null, isMatch: false }
}

function cutOrNull(text: string | null): string | null {
  return text === null ? null : cut(text)
}

function cut(text: string): string {
  return text.length <= maxCharacters ? text : `${text.slice(0, maxCharacters - 1).toWellFormed()}…`
}

function wordsOf({ name, filter }: TestPlace): string {
  const { types, exact, prefix, suffix, header, data, all, any } = filter
  switch (name) {
    case 'types':
      return `type is like ${types?.join(' or ')}`
    case 'exact':
      return `${exact?.name} = ${exact?.value}`
    case 'prefix':
      return `${prefix?.name} begins with ${prefix?.value}`
    case 'suffix':
      return `${suffix?.name} ends with ${suffix?.value}`
    case 'header':
      return `header ${header?.name} = ${header?.value}`
    case 'data':
      return `${data?.pointer === '' ? 'the payload' : data?.pointer} = ${JSON.stringify(data?.value)}`
    case 'all':
      return `all ${all?.length} hold`
    case 'any':
      return `one of ${any?.length} holds`
    case 'not':
      return 'this does not hold'
    default:
      return unreachable(name)
  }
}

function foundBy({ name, filter }: TestPlace, message: FilteredMessage): string | null {
  switch (name) {
    case 'types':
      return message.attribute('type')
    case 'exact':
    case 'prefix':
    case 'suffix':
      return message.attribute(filter[name]?.name ?? '')
    case 'header':
      return message.headers(filter.header?.name.toLowerCase() ?? '').join(', ') || null
    case 'data':
      return filter.data ? foundAt(filter.data, message) : null
    case 'all':
    case 'any':
    case 'not':
      return null
    default:
      return unreachable(name)
  }
}

function foundAt({ pointer, value: wanted }: PointerMatch, message: FilteredMessage): string | null {
  const names = parseJsonPointer(pointer) ?? []
  const value = message.payloadAt(names)
  if (value === undefined) return null
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'an object'
  // A double may hide by which digit they differ.
  const isNear = isWrittenNumber(wanted) && value === Number(JSON.stringify(wanted))
  return isNear ? message.numberTextAt(names) : JSON.stringify(value)
}
