import { numberTextAt, parseJsonPointer } from '../kernel/json-pointer.ts'
import { unreachable } from '../kernel/unreachable.ts'
import type { FilteredMessage } from './filtered-message.ts'
import { compileGlob } from './message-filter-glob.ts'
import {
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

type Test = (message: FilteredMessage) => boolean

/**
 * Compiles a filter once for many messages.
 *
 * @param filter of which `checkMessageFilter` found nothing wrong.
 * @throws Error for any other (a bug: input is checked first).
 * @see CloudEvents Subscriptions API 1.0, "Filter Dialects"
 */
export function compileMessageFilter(filter: MessageFilter): CompiledFilter {
  return { readsBodies: readsBodies(filter), matches: compileTest(filter) }
}

function readsBodies({ data, all, any, not }: MessageFilter): boolean {
  return Boolean(data) || [...(all ?? []), ...(any ?? []), ...(not ? [not] : [])].some(readsBodies)
}

function compileTest(filter: MessageFilter): Test {
  const name = filterTests.find((test) => filter[test] !== undefined && filter[test] !== null)
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
      const tests = given(filter.all).map(compileTest)
      return (message) => tests.every((test) => test(message))
    }
    case 'any': {
      const tests = given(filter.any).map(compileTest)
      return (message) => tests.some((test) => test(message))
    }
    case 'not': {
      const test = compileTest(given(filter.not))
      return (message) => !test(message)
    }
    case undefined:
      throw new Error('a filter without a test')
    default:
      return unreachable(name)
  }
}

function given<Value>(value: Value | null | undefined): Value {
  if (value === null || value === undefined) throw new Error('a filter without a test')
  return value
}

function compileTypes(globs: readonly string[]): Test {
  const tests = globs.map(compileGlob)
  return (message) => {
    const type = message.attribute('type') ?? ''
    return tests.some((fits) => fits(type))
  }
}

// An attribute that is absent matches nothing.
function attributeTest({ name, value }: TextMatch, compare: (text: string, value: string) => boolean): Test {
  return (message) => {
    const text = message.attribute(name)
    return text !== null && compare(text, value)
  }
}

function compileHeader({ name, value }: TextMatch): Test {
  const lowerCase = name.toLowerCase()
  return (message) => message.headers(lowerCase).includes(value)
}

function compileData({ pointer, value }: PointerMatch): Test {
  const names = parseJsonPointer(pointer)
  if (names === null) throw new Error('a filter with a malformed pointer')
  if (!isWrittenNumber(value)) return (message) => message.payloadAt(names) === value
  const digits = JSON.stringify(value)
  const number = Number(digits)
  // Sixteen digits can be a safe integer's.
  if (Number.isSafeInteger(number) && /^-?\d+$/.test(digits)) return (message) => message.payloadAt(names) === number
  // What doubles do not tell apart, digits do. They are looked at in the few messages that come so near.
  return (message) => message.payloadAt(names) === number && numberTextAt(message.bodyText(), names) === digits
}
