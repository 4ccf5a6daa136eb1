import type { Issue } from '../kernel/outcome.ts'
import { checkText, issue } from '../projects/input-checks.ts'
import type { SchemaViolationPolicy } from './event-type.entity.ts'

/** One entry of the catalogue as a whole: what is left out is not kept from an earlier one. */
export interface EventTypeInput {
  /** Dotted letters, digits and underscores; at most 128 characters. */
  readonly name: string
  /** At most 500 characters; null is none. */
  readonly description?: string | null | undefined
  /** A JSON Schema (2020-12) as a JSON value, at most 64 KiB as text; null is none. */
  readonly schema?: unknown
  /** Default FLAG. */
  readonly onViolation?: SchemaViolationPolicy | null | undefined
  /** Default false. */
  readonly isDeprecated?: boolean | null | undefined
}

/** An entry as it is stored, once its schema compiles. */
export interface CheckedEntry {
  readonly name: string
  readonly description: string | null
  /** JSON text. */
  readonly schema: string | null
  readonly onViolation: SchemaViolationPolicy
  readonly isDeprecated: boolean
}

/** How many entries one call takes. */
export const maxEntries = 500

const namePattern = /^[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*$/
const maxNameCharacters = 128
const maxDescriptionCharacters = 500
const maxSchemaBytes = 65_536
/** Two levels of a schema describe one of the data. What compiles it calls itself for each. */
const maxSchemaDepth = 64
const dialect = /^https:\/\/json-schema\.org\/draft\/2020-12\/schema#?$/

/** Checks all there is to check without compiling the schemas. */
export function checkEntries(entries: readonly EventTypeInput[]): { issues: Issue[]; entries: CheckedEntry[] } {
  const path = ['input', 'eventTypes']
  if (entries.length === 0) return { issues: [issue('REQUIRED', path, 'An event type is needed.')], entries: [] }
  if (entries.length > maxEntries) {
    const message = `At most ${maxEntries} event types can be registered at once.`
    return { issues: [issue('OUT_OF_RANGE', path, message)], entries: [] }
  }
  const schemas = entries.map(({ schema }, index) => writeSchema(schema, entryPath(index, 'schema')))
  const issues = entries.flatMap((entry, index) => [
    ...checkName(entry.name, entryPath(index, 'name')),
    ...checkDescription(entry.description, entryPath(index, 'description')),
    ...(schemas[index]?.issues ?? []),
  ])
  const checked = entries.map((entry, index) => ({
    name: entry.name,
    description: entry.description ?? null,
    schema: schemas[index]?.text ?? null,
    onViolation: entry.onViolation ?? 'FLAG',
    isDeprecated: entry.isDeprecated ?? false,
  }))
  return { issues: [...issues, ...checkUnique(entries)], entries: checked }
}

export function isEventTypeName(text: string): boolean {
  return text.length <= maxNameCharacters && namePattern.test(text)
}

/** Where a field of an entry stands in the input. */
export function entryPath(index: number, field: keyof EventTypeInput): string[] {
  return ['input', 'eventTypes', `${index}`, field]
}

function checkName(name: string, path: readonly string[]): Issue[] {
  if (name === '') return [issue('REQUIRED', path, 'A name is needed.')]
  if (name.length > maxNameCharacters) {
    return [issue('OUT_OF_RANGE', path, `A name has at most ${maxNameCharacters} characters.`)]
  }
  if (isEventTypeName(name)) return []
  return [
    issue('MALFORMED', path, 'A name consists of letters, digits and underscores, with single dots between them.'),
  ]
}

function checkDescription(description: string | null | undefined, path: readonly string[]): Issue[] {
  return description ? checkText(description, path, { min: 0, max: maxDescriptionCharacters }) : []
}

function checkUnique(entries: readonly EventTypeInput[]): Issue[] {
  const seen = new Set<string>()
  return entries.flatMap(({ name }, index) => {
    const isFirst = !seen.has(name)
    seen.add(name)
    return isFirst ? [] : [issue('NAME_TAKEN', entryPath(index, 'name'), 'An entry before this one has the same name.')]
  })
}

function writeSchema(schema: unknown, path: readonly string[]): { issues: Issue[]; text: string | null } {
  if (schema === undefined || schema === null) return { issues: [], text: null }
  const refuse = (code: Issue['code'], message: string) => ({ issues: [issue(code, path, message)], text: null })
  if (typeof schema !== 'boolean' && (typeof schema !== 'object' || Array.isArray(schema))) {
    return refuse('MALFORMED', 'A JSON Schema is an object, or true or false.')
  }
  // First, because writing it as text calls itself for each level.
  if (isDeeperThan(schema, maxSchemaDepth)) {
    return refuse('OUT_OF_RANGE', `A schema nests at most ${maxSchemaDepth} levels deep.`)
  }
  const text = JSON.stringify(schema)
  if (Buffer.byteLength(text) > maxSchemaBytes) {
    return refuse('OUT_OF_RANGE', `A schema has at most ${maxSchemaBytes} bytes as JSON text.`)
  }
  const declared = typeof schema === 'object' && '$schema' in schema ? schema.$schema : undefined
  if (declared !== undefined && !(typeof declared === 'string' && dialect.test(declared))) {
    return refuse('MALFORMED', '"$schema" can only be "https://json-schema.org/draft/2020-12/schema".')
  }
  return { issues: [], text }
}

function isDeeperThan(value: unknown, maxDepth: number): boolean {
  let level = [value]
  for (let depth = 0; depth <= maxDepth; depth += 1) {
    level = level.flatMap((each) => (typeof each === 'object' && each !== null ? Object.values(each) : []))
    if (level.length === 0) return false
  }
  return true
}
