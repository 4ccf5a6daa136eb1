import type { EventTypeInput } from '../event-types/event-type-input.ts'
import { Failure } from './command.ts'

/** An entry of the catalogue, and where the file has it. */
export interface FileEntry {
  /** From 1. */
  readonly line: number
  readonly entry: EventTypeInput
}

/**
 * Reads event types from a file: a JSON list of names or entries, or else one name a line, with `#` before comments.
 *
 * @throws Failure naming the lines that cannot be understood. The entries themselves are not checked.
 */
export function parseEventTypesFile(text: string): FileEntry[] {
  const content = text.replace(/^\ufeff/, '')
  return /^\s*[[{]/.test(content) ? parseJson(content) : parseNames(content)
}

function parseNames(text: string): FileEntry[] {
  return text
    .split('\n')
    .map((line, index) => ({ line: index + 1, entry: { name: line.replace(/#.*/, '').trim() } }))
    .filter(({ entry }) => entry.name !== '')
}

function parseJson(text: string): FileEntry[] {
  const values = parseList(text)
  const lines = linesOfElements(text)
  const problems: string[] = []
  const entries = values.flatMap((value, index) => {
    const line = lines[index] ?? 1
    const entry = entryOf(value)
    if (typeof entry !== 'string') return [{ line, entry }]
    problems.push(`line ${line}: ${entry}`)
    return []
  })
  if (problems.length > 0) throw new Failure(problems.join('\n'))
  return entries
}

function parseList(text: string): unknown[] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new Failure(`This is not JSON: ${error instanceof Error ? error.message : error}`)
  }
  if (!Array.isArray(value)) throw new Failure('The JSON is no list: write [ … ] around the entries.')
  return value
}

const kinds: Record<keyof EventTypeInput, (value: unknown) => boolean> = {
  name: (value) => typeof value === 'string',
  description: (value) => typeof value === 'string' || value === null,
  schema: () => true,
  onViolation: (value) => value === 'REFUSE' || value === 'FLAG',
  isDeprecated: (value) => typeof value === 'boolean',
}

/** @returns a sentence when it is none. */
function entryOf(value: unknown): EventTypeInput | string {
  if (typeof value === 'string') return { name: value }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'an entry is a name or an object'
  if (!isNamed(value)) return '"name" is missing'
  for (const [key, part] of Object.entries(value)) {
    if (!isField(key)) return `"${key}" is unknown; an entry has ${Object.keys(kinds).join(', ')}`
    if (!kinds[key](part)) return `"${key}" has a value that is not possible`
  }
  return value
}

function isNamed(value: object): value is EventTypeInput {
  return 'name' in value
}

function isField(key: string): key is keyof EventTypeInput {
  return Object.hasOwn(kinds, key)
}

/** The line that each element of a JSON list begins on; `text` is JSON. */
function linesOfElements(text: string): number[] {
  const lines: number[] = []
  let line = 1
  let depth = 0
  let isNext = false
  for (const [token] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"|[[\]{},\n]|[^\s[\]{},"]+/g)) {
    if (token === '\n') line += 1
    else if (token === ',') isNext = depth === 1
    else if (token === ']' || token === '}') depth -= 1
    else {
      if (isNext) lines.push(line)
      isNext = false
      if (token === '[' || token === '{') {
        depth += 1
        isNext = depth === 1
      }
    }
  }
  return lines
}
