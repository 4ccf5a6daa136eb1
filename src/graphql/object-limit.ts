import {
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLCompositeType,
  type GraphQLError,
  type GraphQLField,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isCompositeType,
  isInterfaceType,
  isListType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql'
import { tooLarge } from './limits.ts'

const maxObjects = 5_000
/** What lists hold at most that are not pages, such as the sources of an endpoint. */
const listBound = 100

export interface ObjectLimitOptions {
  readonly schema: GraphQLSchema
  readonly operation: OperationDefinitionNode
  readonly fragments: ReadonlyMap<string, FragmentDefinitionNode>
  /** As coerced: with defaults. */
  readonly variables: Readonly<Record<string, unknown>>
}

/**
 * Counts the objects that a valid operation may ask pages for, nested pages multiplied. Lists with a bound of their own
 * are not counted, but multiply the pages within.
 *
 * @returns why the operation is refused; null when it is not.
 */
export function objectProblem(options: ObjectLimitOptions): GraphQLError | null {
  const root = options.schema.getRootType(options.operation.operation)
  if (!root) return null
  const objects = objectsIn(options, root, options.operation.selectionSet)
  return objects > maxObjects ? tooLarge(`it may return over ${maxObjects} objects; ask for smaller pages`) : null
}

function objectsIn(options: ObjectLimitOptions, type: GraphQLCompositeType, { selections }: SelectionSetNode): number {
  return selections.reduce((sum, selection) => sum + objectsOf(options, type, selection), 0)
}

function objectsOf(
  options: ObjectLimitOptions,
  type: GraphQLCompositeType,
  selection: SelectionSetNode['selections'][number],
): number {
  if (selection.kind === Kind.FIELD) return objectsOfField(options, type, selection)
  const fragment = selection.kind === Kind.FRAGMENT_SPREAD ? options.fragments.get(selection.name.value) : selection
  if (fragment === undefined) return 0
  const condition = fragment.typeCondition && options.schema.getType(fragment.typeCondition.name.value)
  return objectsIn(options, isCompositeType(condition) ? condition : type, fragment.selectionSet)
}

function objectsOfField(options: ObjectLimitOptions, type: GraphQLCompositeType, node: FieldNode): number {
  const field = isObjectType(type) || isInterfaceType(type) ? type.getFields()[node.name.value] : undefined
  if (field === undefined || node.selectionSet === undefined) return 0
  const fieldType = getNamedType(field.type)
  if (!isCompositeType(fieldType)) return 0
  const within = () => (node.selectionSet ? objectsIn(options, fieldType, node.selectionSet) : 0)
  const first = pageSize(options, field, node)
  // A document may select edges and nodes of a page: their parts are counted each.
  if (first !== null) return first * (1 + within())
  const ids = listArgument(options, node, 'ids')
  if (ids !== null) return ids * (1 + within())
  const isList = isListType(getNullableType(field.type)) && !type.name.endsWith('Connection')
  return isList ? listBound * within() : within()
}

/** @returns null when the field is not a page. */
function pageSize(options: ObjectLimitOptions, field: GraphQLField<unknown, unknown>, node: FieldNode): number | null {
  const definition = field.args.find(({ name }) => name === 'first')
  if (definition === undefined) return null
  const value = argument(options, node, 'first') ?? definition.default?.value
  // The resolver refuses what is out of bounds.
  return typeof value === 'number' ? Math.min(100, Math.max(0, value)) : 100
}

function listArgument(options: ObjectLimitOptions, node: FieldNode, name: string): number | null {
  const value = argument(options, node, name)
  return Array.isArray(value) ? value.length : null
}

function argument({ variables }: ObjectLimitOptions, node: FieldNode, name: string): unknown {
  const value = node.arguments?.find((given) => given.name.value === name)?.value
  if (value?.kind === Kind.VARIABLE) return variables[value.name.value]
  if (value?.kind === Kind.INT) return Number(value.value)
  return value?.kind === Kind.LIST ? value.values : undefined
}
