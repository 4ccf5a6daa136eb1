import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLCompositeType,
  type GraphQLError,
  type GraphQLField,
  type GraphQLSchema,
  getArgumentValues,
  getNamedType,
  getNullableType,
  isCompositeType,
  isInterfaceType,
  isListType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type ValidatedExecutionArgs,
} from 'graphql'
import { tooLarge } from './limits.ts'

const maxObjects = 5_000
/** What lists hold at most that are not pages, such as the sources of an endpoint. */
const listBound = 100

type VariableValues = ValidatedExecutionArgs['variableValues']

export interface ObjectLimitOptions {
  readonly schema: GraphQLSchema
  readonly document: DocumentNode
  readonly operation: OperationDefinitionNode
  readonly variableValues: VariableValues
}

interface Counting {
  readonly schema: GraphQLSchema
  readonly variables: VariableValues
  readonly fragments: ReadonlyMap<string, FragmentDefinitionNode>
}

/**
 * Counts the objects that a valid operation may ask pages for, nested pages multiplied. Lists with a bound of their own
 * are not counted, but multiply the pages within.
 *
 * @returns why the operation is refused; null when it is not.
 */
export function objectProblem(options: ObjectLimitOptions): GraphQLError | null {
  const { schema, document, operation, variableValues } = options
  const root = schema.getRootType(operation.operation)
  if (!root) return null
  const counting = { schema, variables: variableValues, fragments: fragmentsOf(document) }
  const objects = objectsIn(counting, root, operation.selectionSet)
  return objects > maxObjects ? tooLarge(`it may return over ${maxObjects} objects; ask for smaller pages`) : null
}

function fragmentsOf(document: DocumentNode): Map<string, FragmentDefinitionNode> {
  const fragments = document.definitions.filter((definition) => definition.kind === Kind.FRAGMENT_DEFINITION)
  return new Map(fragments.map((fragment) => [fragment.name.value, fragment]))
}

function objectsIn(counting: Counting, type: GraphQLCompositeType, { selections }: SelectionSetNode): number {
  return selections.reduce((sum, selection) => sum + objectsOf(counting, type, selection), 0)
}

function objectsOf(
  counting: Counting,
  type: GraphQLCompositeType,
  selection: SelectionSetNode['selections'][number],
): number {
  if (selection.kind === Kind.FIELD) return objectsOfField(counting, type, selection)
  const fragment = selection.kind === Kind.FRAGMENT_SPREAD ? counting.fragments.get(selection.name.value) : selection
  if (fragment === undefined) return 0
  const condition = fragment.typeCondition && counting.schema.getType(fragment.typeCondition.name.value)
  return objectsIn(counting, isCompositeType(condition) ? condition : type, fragment.selectionSet)
}

function objectsOfField(counting: Counting, type: GraphQLCompositeType, node: FieldNode): number {
  const field = isObjectType(type) || isInterfaceType(type) ? type.getFields()[node.name.value] : undefined
  if (field === undefined || node.selectionSet === undefined) return 0
  const fieldType = getNamedType(field.type)
  if (!isCompositeType(fieldType)) return 0
  const within = () => (node.selectionSet ? objectsIn(counting, fieldType, node.selectionSet) : 0)
  const first = pageSize(counting, field, node)
  // A document may select edges and nodes of a page: their parts are counted each.
  if (first !== null) return first * (1 + within())
  const isList = isListType(getNullableType(field.type)) && !type.name.endsWith('Connection')
  return isList ? listBound * within() : within()
}

/** How many objects a field of pages, or of ids, may give; null when it is neither. The resolver checks the bounds. */
function pageSize({ variables }: Counting, field: GraphQLField<unknown, unknown>, node: FieldNode): number | null {
  if (!field.args.some(({ name }) => name === 'first' || name === 'ids')) return null
  const { first, ids } = argumentsOf(field, node, variables)
  if (Array.isArray(ids)) return ids.length
  return typeof first === 'number' ? Math.min(listBound, Math.max(0, first)) : listBound
}

function argumentsOf(
  field: GraphQLField<unknown, unknown>,
  node: FieldNode,
  variables: VariableValues,
): Record<string, unknown> {
  try {
    return getArgumentValues(field, node, variables)
  } catch {
    // What cannot be read, such as null for a number, is told when the field is executed.
    return {}
  }
}
