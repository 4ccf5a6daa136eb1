import {
  createSourceEventStream,
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  executeRootSelectionSet,
  executeSubscriptionEvent,
  type FragmentDefinitionNode,
  GraphQLError,
  type GraphQLSchema,
  Kind,
  OperationTypeNode,
  parse,
  specifiedRules,
  type ValidatedExecutionArgs,
  type ValidatedSubscriptionArgs,
  validate,
  validateExecutionArgs,
} from 'graphql'
import type { Viewer } from '../auth/viewer.ts'
import type { Logger } from '../kernel/log.ts'
import type { Epochs } from '../live/epoch.ts'
import { createAnswerBudget } from './answer-budget.ts'
import { toClientError } from './client-error.ts'
import type { Context } from './context.ts'
import { documentProblem, maxTokens, tooLarge, variablesProblem } from './limits.ts'
import { objectProblem } from './object-limit.ts'
import { type OperationStream, operationStream } from './operation-stream.ts'
import { rememberedSources } from './remembered-sources.ts'
import { badUserInput, unauthenticated } from './request-error.ts'
import type { Services } from './services.ts'

/*
 * What happens to an operation, whichever transport it came by:
 *
 *   authenticated ▸ parsed (tokens) ▸ shape (depth, fields, aliases) ▸ validated ▸ variables ▸ objects ▸ executed ▸ masked
 *
 * A subscription's source stream is executed event by event, each with a context of its own: what an earlier event
 * loaded is never shown again.
 */

/** As a transport received it; nothing is checked yet. */
export interface OperationRequest {
  readonly query?: unknown
  readonly variables?: unknown
  readonly operationName?: unknown
}

export interface Caller {
  readonly viewer: Viewer | null
  readonly requestId: string
}

/** Ready to be executed; what graphql-ws wants to know of it is in the fields of ExecutionArgs. */
export interface PreparedOperation extends ExecutionArgs {
  readonly kind: OperationTypeNode
  readonly caller: { readonly viewer: Viewer; readonly requestId: string }
  readonly validated: ValidatedExecutionArgs
}

export interface Operations {
  /** @returns errors for the client instead, when the operation is refused before any of it is executed. */
  prepare(request: OperationRequest, caller: Caller): PreparedOperation | readonly GraphQLError[]
  /** Never rejects. A stream ends after an error of its source, which is its last result. */
  execute(operation: PreparedOperation): Promise<ExecutionResult | OperationStream>
}

export function createOperations(deps: {
  readonly schema: GraphQLSchema
  readonly services: Services
  readonly epochs: Pick<Epochs, 'onChange'>
  readonly log: Logger
}): Operations {
  const { schema, services, log } = deps
  const documentOf = documentCache(schema)
  const eventServices = { ...services, sources: rememberedSources(services.sources, deps.epochs) }
  const contextOf = (viewer: Viewer): Context => ({ viewer, services, budget: createAnswerBudget() })
  const eventContextOf = (viewer: Viewer): Context => ({ ...contextOf(viewer), services: eventServices })

  function prepare(request: OperationRequest, { viewer, requestId }: Caller): ReturnType<Operations['prepare']> {
    if (viewer === null) return [unauthenticated()]
    if (!isWellFormed(request)) return [malformed()]
    const { query, variables = null, operationName = null } = request
    const notStorable = variablesProblem(variables)
    if (notStorable !== null) return [notStorable]
    const document = documentOf(query)
    if (Array.isArray(document)) return masked(document, requestId)
    const args: ExecutionArgs = {
      schema,
      document,
      contextValue: contextOf(viewer),
      variableValues: variables,
      operationName,
      hideSuggestions: true,
    }
    const validated = validateExecutionArgs(args)
    if (!('schema' in validated)) return masked(validated, requestId)
    const problem = objectProblem({
      schema,
      operation: validated.operation,
      fragments: fragmentsOf(document),
      variables: validated.variableValues,
    })
    if (problem !== null) return [problem]
    return { ...args, kind: validated.operation.operation, caller: { viewer, requestId }, validated }
  }

  async function execute({ kind, validated, caller }: PreparedOperation): Promise<ExecutionResult | OperationStream> {
    const { requestId, viewer } = caller
    try {
      if (kind !== OperationTypeNode.SUBSCRIPTION) {
        return maskedResult(await executeRootSelectionSet(validated), requestId)
      }
      const subscription = validated as ValidatedSubscriptionArgs
      const source = await createSourceEventStream(subscription)
      if (!(Symbol.asyncIterator in source)) return maskedResult(source, requestId)
      return operationStream(source, {
        execute: async (rootValue) => {
          const contextValue = eventContextOf(viewer)
          return maskedResult(await executeSubscriptionEvent({ ...subscription, rootValue, contextValue }), requestId)
        },
        failed: (error) => ({ errors: masked([error], requestId) }),
      })
    } catch (error) {
      return { errors: masked([error], requestId) }
    }
  }

  const masked = (errors: readonly unknown[], requestId: string) =>
    errors.map((error) => toClientError(error, { log, requestId }))

  function maskedResult(result: ExecutionResult, requestId: string): ExecutionResult {
    return result.errors === undefined ? result : { ...result, errors: masked(result.errors, requestId) }
  }

  return { prepare, execute }
}

/** A request whose parts are of the types that the specification gives them. */
interface WellFormedRequest {
  readonly query: string
  readonly variables?: Readonly<Record<string, unknown>> | null
  readonly operationName?: string | null
}

/** @returns why a request cannot be told to be one; null when it is well formed. */
export function malformedRequest(request: OperationRequest): GraphQLError | null {
  return isWellFormed(request) ? null : malformed()
}

function malformed(): GraphQLError {
  return badUserInput('A request has a text `query`, and may have an object `variables` and a text `operationName`.')
}

function isWellFormed(request: OperationRequest): request is WellFormedRequest {
  const { query, variables, operationName } = request
  if (typeof query !== 'string' || query === '') return false
  if (typeof (variables ?? {}) !== 'object' || Array.isArray(variables)) return false
  return typeof (operationName ?? '') === 'string'
}

const maxCachedDocuments = 500
const maxCachedCharacters = 10_000

/** Parses and validates; remembers the documents that clients repeat. */
function documentCache(schema: GraphQLSchema): (query: string) => DocumentNode | GraphQLError[] {
  const known = new Map<string, DocumentNode | GraphQLError[]>()
  return (query) => {
    const document = known.get(query) ?? documentOf(schema, query)
    if (query.length <= maxCachedCharacters) {
      // What was used last is moved to the end, so that the first is the one to forget.
      known.delete(query)
      known.set(query, document)
      const [oldest] = known.keys()
      if (known.size > maxCachedDocuments && oldest !== undefined) known.delete(oldest)
    }
    return document
  }
}

function documentOf(schema: GraphQLSchema, query: string): DocumentNode | GraphQLError[] {
  try {
    const document = parse(query, { maxTokens })
    const problem = documentProblem(document)
    if (problem !== null) return [problem]
    const errors = validate(schema, document, specifiedRules, { maxErrors: 20, hideSuggestions: true })
    // What graphql-js gives up on: it bounds how often fields are compared with each other.
    if (errors.some(({ message }) => message === 'Validation aborted.'))
      return [tooLarge('its fields are compared with each other too often')]
    return errors.length > 0 ? [...errors] : document
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error
    return [/more than \d+ tokens/.test(error.message) ? tooLarge(`it has over ${maxTokens} tokens`) : error]
  }
}

function fragmentsOf(document: DocumentNode): Map<string, FragmentDefinitionNode> {
  const fragments = document.definitions.filter((definition) => definition.kind === Kind.FRAGMENT_DEFINITION)
  return new Map(fragments.map((fragment) => [fragment.name.value, fragment]))
}
