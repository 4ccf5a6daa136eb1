import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLError,
  Kind,
  type SelectionSetNode,
  visit,
} from 'graphql'
import { maxJsonDepth } from '../kernel/json.ts'
import { badUserInput, requestError } from './request-error.ts'

/*
 * What a document may be, looked at before it is validated: validation itself costs more than linear time on documents
 * that were made for that. What it asks for is bounded later, when variables are known (object-limit.ts).
 */

/** For the parser. The largest document of our own, the introspection query of common tools, has some 300. */
export const maxTokens = 4_000
/** Introspection queries of common tools reach 15. */
const maxDepth = 16
/** Fields once fragments are spread. */
const maxFields = 2_000
const maxAliases = 100

interface Shape {
  readonly depth: number
  readonly fields: number
  readonly aliases: number
}

/** @returns why the document is refused; null when it is not. Cycles of fragments are left to the validation. */
export function documentProblem(document: DocumentNode): GraphQLError | null {
  const shapeOf = shapes(document)
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION) continue
    const { depth, fields, aliases } = shapeOf(definition.selectionSet)
    if (depth > maxDepth) return tooLarge(`fields nest ${depth} deep; ${maxDepth} are possible`)
    if (fields > maxFields) return tooLarge(`it has over ${maxFields} fields`)
    if (aliases > maxAliases) return tooLarge(`it has over ${maxAliases} aliases`)
  }
  return stringProblem(document)
}

export function tooLarge(reason: string): GraphQLError {
  return requestError('QUERY_TOO_LARGE', `The query is too large: ${reason}.`)
}

/** Measures selections; each fragment once, however often it is spread. */
function shapes(document: DocumentNode): (selections: SelectionSetNode) => Shape {
  const fragments = new Map<string, FragmentDefinitionNode>()
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition)
  }
  const known = new Map<string, Shape>()

  function ofFragment(name: string): Shape {
    const fragment = fragments.get(name)
    const shape = known.get(name)
    if (shape !== undefined || fragment === undefined) return shape ?? empty
    // Stands while the fragment is measured, so that a cycle ends here.
    known.set(name, empty)
    const measured = ofSelections(fragment.selectionSet)
    known.set(name, measured)
    return measured
  }

  function ofField(field: FieldNode): Shape {
    const inner = field.selectionSet === undefined ? empty : ofSelections(field.selectionSet)
    const aliases = inner.aliases + (field.alias === undefined ? 0 : 1)
    return { depth: inner.depth + 1, fields: inner.fields + 1, aliases }
  }

  function ofSelections({ selections }: SelectionSetNode): Shape {
    return selections.reduce<Shape>((sum, selection) => {
      if (selection.kind === Kind.FIELD) return add(sum, ofField(selection))
      if (selection.kind === Kind.INLINE_FRAGMENT) return add(sum, ofSelections(selection.selectionSet))
      return add(sum, ofFragment(selection.name.value))
    }, empty)
  }
  return ofSelections
}

const empty: Shape = { depth: 0, fields: 0, aliases: 0 }

function add(left: Shape, right: Shape): Shape {
  return {
    depth: Math.max(left.depth, right.depth),
    fields: left.fields + right.fields,
    aliases: left.aliases + right.aliases,
  }
}

function stringProblem(document: DocumentNode): GraphQLError | null {
  let problem: GraphQLError | null = null
  visit(document, {
    StringValue({ value }) {
      if (!isStorable(value)) problem = notStorable()
    },
  })
  return problem
}

/** JSON may nest 500 deep (json-input.ts), within inputs that nest a little themselves. */
const maxVariablesDepth = maxJsonDepth + maxDepth

/** @returns why variables are refused; null when they are not. They may nest deeper than a call stack, and arguments not. */
export function variablesProblem(variables: unknown): GraphQLError | null {
  let values = [variables]
  for (let depth = 0; values.length > 0; depth += 1) {
    if (depth > maxVariablesDepth) return badUserInput(`Variables nest over ${maxVariablesDepth} deep.`)
    if (values.some((value) => typeof value === 'string' && !isStorable(value))) return notStorable()
    values = values.flatMap((value) => (typeof value === 'object' && value !== null ? Object.values(value) : []))
  }
  return null
}

// PostgreSQL stores no NUL, and would store another character for a lone surrogate.
function isStorable(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed()
}

function notStorable(): GraphQLError {
  return badUserInput('Strings must be well-formed Unicode without NUL characters.')
}
