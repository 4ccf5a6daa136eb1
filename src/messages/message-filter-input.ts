import type { Issue } from '../kernel/outcome.ts'
import { checkHeaderName, checkJsonPointer, checkText, issue } from '../projects/input-checks.ts'

/** Which messages are meant: exactly one of the tests, of which `all`, `any` and `not` combine others. */
export interface MessageFilter {
  /** Globs, of which one must fit; 1 to 100 in the whole filter. */
  readonly types?: readonly string[] | null | undefined
  readonly exact?: TextMatch | null | undefined
  readonly prefix?: TextMatch | null | undefined
  readonly suffix?: TextMatch | null | undefined
  readonly header?: TextMatch | null | undefined
  readonly data?: PointerMatch | null | undefined
  /** One or more. */
  readonly all?: readonly MessageFilter[] | null | undefined
  /** One or more. */
  readonly any?: readonly MessageFilter[] | null | undefined
  readonly not?: MessageFilter | null | undefined
}

/** A named text: of an attribute, or of a header field. */
export interface TextMatch {
  readonly name: string
  /** 1 to 2,048 characters. */
  readonly value: string
}

export interface PointerMatch {
  /** RFC 6901; at most 512 characters. */
  readonly pointer: string
  /** A string, boolean or null, a number, or a number as it was written (`JSON.rawJSON`). */
  readonly value?: string | number | boolean | object | null | undefined
}

export const filterTests = ['types', 'exact', 'prefix', 'suffix', 'header', 'data', 'all', 'any', 'not'] as const

export type FilterTestName = (typeof filterTests)[number]

const maxLevels = 8
const maxTests = 100
const maxGlobs = 100
const maxGlobCharacters = 256
const valueBounds = { min: 1, max: 2_048 } as const

type Path = readonly string[]

/** What was counted of the filter so far: its bounds hold for the whole of it. */
interface Counts {
  tests: number
  globs: number
}

/**
 * @param path of the filter in the input, such as `['input', 'filter']`; the issues' paths go on from it.
 * @returns what is wrong; empty when the filter can be compiled.
 */
export function checkMessageFilter(filter: MessageFilter, path: Path): Issue[] {
  return checkTest(filter, path, { level: 1, counts: { tests: 0, globs: 0 } })
}

function checkTest(filter: MessageFilter, path: Path, { level, counts }: { level: number; counts: Counts }): Issue[] {
  counts.tests += 1
  if (level > maxLevels) return [issue('OUT_OF_RANGE', path, `A filter has at most ${maxLevels} levels.`)]
  if (counts.tests > maxTests) return [issue('OUT_OF_RANGE', path, `A filter has at most ${maxTests} tests.`)]
  const given = filterTests.filter((test) => filter[test] !== undefined && filter[test] !== null)
  if (given.length !== 1) return [issue('MALFORMED', path, 'A filter is exactly one test.')]
  const inner = { level: level + 1, counts }
  return [
    ...(filter.types ? checkGlobs(filter.types, [...path, 'types'], counts) : []),
    ...attributeTests.flatMap((test) => checkAttributeMatch(filter[test], [...path, test])),
    ...(filter.header ? checkHeaderMatch(filter.header, [...path, 'header']) : []),
    ...(filter.data ? checkPointerMatch(filter.data, [...path, 'data']) : []),
    ...(filter.all ? checkList(filter.all, [...path, 'all'], inner) : []),
    ...(filter.any ? checkList(filter.any, [...path, 'any'], inner) : []),
    ...(filter.not ? checkTest(filter.not, [...path, 'not'], inner) : []),
  ]
}

const attributeTests = ['exact', 'prefix', 'suffix'] as const

function checkList(filters: readonly MessageFilter[], path: Path, inner: { level: number; counts: Counts }): Issue[] {
  if (filters.length === 0) return [issue('REQUIRED', path, 'One test or more is needed.')]
  const issues: Issue[] = []
  for (const [position, filter] of filters.entries()) {
    issues.push(...checkTest(filter, [...path, `${position}`], inner))
    // Said once; the others would say the same.
    if (inner.counts.tests > maxTests) break
  }
  return issues
}

function checkGlobs(globs: readonly string[], path: Path, counts: Counts): Issue[] {
  if (globs.length === 0) return [issue('REQUIRED', path, 'One type or more is needed.')]
  counts.globs += globs.length
  if (counts.globs > maxGlobs) return [issue('OUT_OF_RANGE', path, `A filter has at most ${maxGlobs} types.`)]
  return globs.flatMap((glob, position) =>
    checkText(glob, [...path, `${position}`], { min: 1, max: maxGlobCharacters }),
  )
}

function checkAttributeMatch(match: TextMatch | null | undefined, path: Path): Issue[] {
  if (match === null || match === undefined) return []
  return [
    ...checkAttributeName(match.name, [...path, 'name']),
    ...checkText(match.value, [...path, 'value'], valueBounds),
  ]
}

/** As CloudEvents spells names: a name in another spelling would never be found. */
const attributePattern = /^[a-z0-9]{1,64}$/

function checkAttributeName(name: string, path: Path): Issue[] {
  if (name === '') return [issue('REQUIRED', path, 'The name of an attribute is needed.')]
  if (attributePattern.test(name) && name !== 'data') return []
  return [issue('MALFORMED', path, 'The name of an attribute is 1 to 64 of a-z and 0-9; `data` is none.')]
}

function checkHeaderMatch({ name, value }: TextMatch, path: Path): Issue[] {
  return [...checkHeaderName(name, [...path, 'name']), ...checkText(value, [...path, 'value'], valueBounds)]
}

function checkPointerMatch({ pointer, value }: PointerMatch, path: Path): Issue[] {
  return [...checkJsonPointer(pointer, [...path, 'pointer']), ...checkValue(value, [...path, 'value'])]
}

function checkValue(value: unknown, path: Path): Issue[] {
  if (value === undefined) return [issue('REQUIRED', path, 'A value is needed.')]
  if (value === null || typeof value === 'boolean') return []
  if (typeof value === 'string') return checkText(value, path, { ...valueBounds, min: 0 })
  if (isWrittenNumber(value)) return checkText(JSON.stringify(value), path, valueBounds)
  if (typeof value !== 'number') return [issue('MALFORMED', path, 'A string, number, boolean or null is needed.')]
  if (Math.abs(value) <= Number.MAX_SAFE_INTEGER) return []
  const message =
    'Beyond ±(2^53 - 1) numbers are compared by their digits: write all of them, into the document itself.'
  return [issue('OUT_OF_RANGE', path, message)]
}

// Of the language since 2025, but not of its types yet.
const { isRawJSON } = JSON as typeof JSON & { isRawJSON(value: unknown): boolean }

/** Whether this is a number that a double does not hold, as it was written in a document. */
export function isWrittenNumber(value: unknown): value is object {
  return isRawJSON(value)
}
