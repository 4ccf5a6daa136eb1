import { createHash } from 'node:crypto'
import { type FieldNode, Kind, visit } from 'graphql'
import type { Viewer } from '../auth/viewer.ts'
import type { PreparedOperation } from './operations.ts'

/**
 * How a subscription's root field says that its subscribers get the very same event objects, and that their results
 * depend on nothing but what the sharing key holds: by naming, in its `extensions`, the arguments that only choose where
 * a stream begins. Fields without it are executed for each subscriber.
 */
export interface SharedField {
  readonly placeArguments: readonly string[]
}

/** All that resolvers may learn of a viewer while they work for many. */
export type Rights = Pick<Viewer, 'projectId' | 'scopes' | 'sourceIds'>

/**
 * What subscriptions with the same results for the same events have in common: the document, the operation's name, the
 * variables but those that only choose where the stream begins, and the viewer's rights. A variable that is also used
 * elsewhere counts, and so do values as they were sent: two ways to write the same are two keys.
 *
 * @returns null when the results are not to be shared.
 */
export function sharingKeyOf(operation: PreparedOperation): string | null {
  const { document, operationName, variableValues, caller } = operation
  const text = document.loc?.source.body
  const field = rootFieldOf(operation)
  const placeArguments = field === null ? null : placeArgumentsOf(operation, field)
  if (text === undefined || field === null || placeArguments === null) return null
  const variables = Object.entries(variableValues ?? {})
  const counting = namesCounting(operation, field, placeArguments)
  const counted = variables.filter(([name]) => counting.has(name)).sort(([a], [b]) => (a < b ? -1 : 1))
  const key = JSON.stringify([text, operationName ?? null, counted, rightsText(caller.viewer)])
  return createHash('sha256').update(key).digest('base64')
}

function rightsText({ projectId, scopes, sourceIds }: Rights): unknown {
  return [projectId, [...scopes].sort(), sourceIds === null ? null : [...sourceIds].sort()]
}

/** @returns null when it comes by way of a fragment: that is rare, and not worth following. */
function rootFieldOf({ validated }: PreparedOperation): FieldNode | null {
  const [field, second] = validated.operation.selectionSet.selections
  return field?.kind === Kind.FIELD && second === undefined ? field : null
}

function placeArgumentsOf({ schema }: PreparedOperation, { name }: FieldNode): readonly string[] | null {
  const extensions = schema.getSubscriptionType()?.getFields()[name.value]?.extensions
  return (extensions as Partial<SharedField> | undefined)?.placeArguments ?? null
}

/** The variables that are used anywhere in the document but in the root field's own arguments for its place. */
function namesCounting(
  { document }: PreparedOperation,
  field: FieldNode,
  placeArguments: readonly string[],
): ReadonlySet<string> {
  const places = new Set(field.arguments?.filter(({ name }) => placeArguments.includes(name.value)))
  const names = new Set<string>()
  visit(document, {
    Argument: (node) => (places.has(node) ? false : undefined),
    VariableDefinition: () => false,
    Variable(node) {
      names.add(node.name.value)
    },
  })
  return names
}
