import { type ConstValueNode, Kind } from 'graphql'
import { maxJsonDepth } from '../kernel/json.ts'
import { badUserInput } from './request-error.ts'

/*
 * JSON as clients give it, in variables or in the document. Values are for `JSON.stringify`: numbers of a document that a
 * double does not hold are kept as they were written, in an object that only it knows (`JSON.rawJSON`). In variables they
 * are doubles already, since these are parsed with the request.
 */

// Of the language since 2025, but not of its types yet.
const { rawJSON } = JSON as typeof JSON & { rawJSON(text: string): unknown }

/** @throws BAD_USER_INPUT when it nests over 500 deep, which writers of JSON could not follow. */
export function parseJsonValue(value: unknown): unknown {
  let containers = [value].filter(isContainer)
  for (let depth = 1; containers.length > 0; depth += 1) {
    if (depth > maxJsonDepth) throw badUserInput(`JSON may nest ${maxJsonDepth} deep.`)
    containers = containers.flatMap((container) => Object.values(container).filter(isContainer))
  }
  return value
}

function isContainer(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

/** @throws BAD_USER_INPUT for what JSON has no word for, and for what nests too deep. */
export function parseJsonLiteral(node: ConstValueNode): unknown {
  return parseJsonValue(valueOfNode(node))
}

// The parser bounds tokens, and by that how deep this calls itself.
function valueOfNode(node: ConstValueNode): unknown {
  switch (node.kind) {
    case Kind.NULL:
      return null
    case Kind.STRING:
    case Kind.BOOLEAN:
      return node.value
    case Kind.INT:
    case Kind.FLOAT:
      return isExact(node.value) ? Number(node.value) : rawJSON(node.value)
    case Kind.LIST:
      return node.values.map(valueOfNode)
    case Kind.OBJECT:
      return objectOf(node.fields.map(({ name, value }) => [name.value, valueOfNode(value)]))
    default:
      throw badUserInput('JSON has strings, numbers, booleans, null, lists and objects.')
  }
}

// Without a prototype, so that a field named `__proto__` is a field like any other.
function objectOf(fields: readonly (readonly [name: string, value: unknown])[]): Record<string, unknown> {
  const object: Record<string, unknown> = Object.create(null)
  for (const [name, value] of fields) object[name] = value
  return object
}

// Any number of 15 significant digits is a double's, as long as its exponent is.
function isExact(text: string): boolean {
  const digits = text
    .replace(/[eE].*$/, '')
    .replaceAll(/[-.]/g, '')
    .replace(/^0+/, '')
    .replace(/0+$/, '')
  const number = Math.abs(Number(text))
  return digits === '' || (digits.length <= 15 && number > 1e-300 && number < 1e300)
}
