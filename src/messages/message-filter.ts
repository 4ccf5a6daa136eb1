import { parseJsonPointer } from '../kernel/json-pointer.ts'
import { unreachable } from '../kernel/unreachable.ts'
import type { FilteredMessage } from './filtered-message.ts'
import { compileGlob } from './message-filter-glob.ts'
import {
  type FilterTestName,
  filterTests,
  isWrittenNumber,
  type MessageFilter,
  type PointerMatch,
  type TextMatch,
} from './message-filter-input.ts'

/** Decides of one message after the other. Pure, and never throws. */
export interface CompiledFilter {
  /** Whether a test looks into bodies; if none does, messages may be handed in without theirs. */
  readonly readsBodies: boolean
  matches(message: FilteredMessage): boolean
}

export type MessageTest = (message: FilteredMessage) => boolean

/** Where in a filter a test stands. */
export interface TestPlace {
  /** From the outside in, such as `['all', '1', 'exact']`. */
  readonly path: readonly string[]
  readonly name: FilterTestName
  /** The test, with what is within it. */
  readonly filter: MessageFilter
}

/** Puts something around a test, which is then asked in its stead. */
export type WrapTest = (test: MessageTest, place: TestPlace) => MessageTest

/**
 * Compiles a filter once for many messages.
 *
 * @param filter of which `checkMessageFilter` found nothing wrong.
 * @param wrap for who wants to see how the tests come out; called once for each, the inner ones first.
 * @throws Error for any other filter (a bug: input is checked first).
 * @see CloudEvents Subscriptions API 1.0, "Filter Dialects"
 */
export function compileMessageFilter(filter: MessageFilter, wrap: WrapTest = (test) => test): CompiledFilter {
  return { readsBodies: readsBodies(filter), matches: compileTest(filter, [], wrap) }
}

function readsBodies({ data, all, any, not }: MessageFilter): boolean {
  return Boolean(data) || [...(all ?? []), ...(any ?? []), ...(not ? [not] : [])].some(readsBodies)
}

function compileTest(filter: MessageFilter, outer: readonly string[], wrap: WrapTest): MessageTest {
  const name = filterTests.find((test) => filter[test] !== undefined && filter[test] !== null)
  if (name === undefined) throw new Error('a filter without a test')
  const path = [...outer, name]
  const inner = (within: MessageFilter, ...place: string[]) => compileTest(within, [...path, ...place], wrap)
  return wrap(compileNamed(name, filter, inner), { path, name, filter })
}

function compileNamed(
  name: FilterTestName,
  filter: MessageFilter,
  inner: (within: MessageFilter, ...place: string[]) => MessageTest,
): MessageTest {
  switch (name) {
    case 'types':
      return compileTypes(given(filter.types))
    case 'exact':
      return attributeTest(given(filter.exact), (text, value) => text === value)
    case 'prefix':
      return attributeTest(given(filter.prefix), (text, value) => text.startsWith(value))
    case 'suffix':
      return attributeTest(given(filter.suffix), (text, value) => text.endsWith(value))
    case 'header':
      return compileHeader(given(filter.header))
    case 'data':
      return compileData(given(filter.data))
    case 'all': {
      const tests = given(filter.all).map((test, place) => inner(test, `${place}`))
      return (message) => tests.every((test) => test(message))
    }
    case 'any': {
      const tests = given(filter.any).map((test, place) => inner(test, `${place}`))
      return (message) => tests.some((test) => test(message))
    }
    case 'not': {
      const test = inner(given(filter.not))
      return (message) => !test(message)
    }
    default:
      return unreachable(name)
  }
}

function given<Value>(value: Value | null | undefined): Value {
  if (value === null || value === undefined) throw new Error('a filter without a test')
  return value
}

function compileTypes(globs: readonly string[]): MessageTest {
  const tests = globs.map(compileGlob)
  return (message) => {
    const type = message.attribute('type') ?? ''
    return tests.some((fits) => fits(type))
  }
}

// An attribute that is absent matches nothing.
function attributeTest({ name, value }: TextMatch, compare: (text: string, value: string) => boolean): MessageTest {
  return (message) => {
    const text = message.attribute(name)
    return text !== null && compare(text, value)
  }
}

function compileHeader({ name, value }: TextMatch): MessageTest {
  const lowerCase = name.toLowerCase()
  return (message) => message.headers(lowerCase).includes(value)
}

function compileData({ pointer, value }: PointerMatch): MessageTest {
  const names = parseJsonPointer(pointer)
  if (names === null) throw new Error('a filter with a malformed pointer')
  if (!isWrittenNumber(value)) return (message) => message.payloadAt(names) === value
  const digits = JSON.stringify(value)
  const number = Number(digits)
  // Sixteen digits can be a safe integer's.
  if (Number.isSafeInteger(number) && /^-?\d+$/.test(digits)) return (message) => message.payloadAt(names) === number
  // What doubles do not tell apart, digits do. They are looked at in the few messages that come so near.
  return (message) => message.payloadAt(names) === number && message.numberTextAt(names) === digits
}
