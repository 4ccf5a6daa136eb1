import {
  createSourceEventStream,
  type ExecutionArgs,
  type ExecutionResult,
  executeRootSelectionSet,
  type GraphQLError,
  type GraphQLSchema,
  OperationTypeNode,
  type ValidatedExecutionArgs,
  type ValidatedSubscriptionArgs,
  validateExecutionArgs,
} from 'graphql'
import type { Viewer } from '../auth/viewer.ts'
import type { Logger } from '../kernel/log.ts'
import type { Epochs } from '../live/epoch.ts'
import type { SubscriptionLimit } from '../live/subscription-limit.ts'
import { createAnswerBudget } from './answer-budget.ts'
import { toClientError } from './client-error.ts'
import type { Context } from './context.ts'
import { documentCache } from './document-cache.ts'
import { createEventExecution, eventResultOf } from './event-execution.ts'
import { takenEvents } from './event-iteration.ts'
import { variablesProblem } from './limits.ts'
import { objectProblem } from './object-limit.ts'
import { type OperationStream, operationStream } from './operation-stream.ts'
import { rememberedSources } from './remembered-sources.ts'
import { badUserInput, requestError, unauthenticated } from './request-error.ts'
import type { Services } from './services.ts'

/*
 * What happens to an operation, whichever transport it came by:
 *
 *   authenticated ▸ parsed (tokens) ▸ shape (depth, fields, aliases) ▸ validated ▸ variables ▸ objects ▸ executed ▸ masked
 *
 * A subscription's source stream is executed event by event, each with a context of its own: what an earlier event
 * loaded is never shown again. Sources alone are remembered, until configuration changes. Subscribers who would be told
 * the same of an event share one execution.
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
  readonly subscriptions: SubscriptionLimit
  readonly epochs: Pick<Epochs, 'onChange'>
  readonly log: Logger
}): Operations {
  const { schema, services, subscriptions, log } = deps
  const documentOf = documentCache(schema)
  const mask = masking(log)
  const eventServices = { ...services, sources: rememberedSources(services.sources, deps.epochs) }
  const contextOf = (viewer: Viewer): Context => ({ viewer, services, budget: createAnswerBudget() })
  const eventHandlingOf = createEventExecution({
    contextOf: (viewer) => ({ ...contextOf(viewer), services: eventServices }),
    mask: mask.result,
  })

  function prepare(request: OperationRequest, { viewer, requestId }: Caller): ReturnType<Operations['prepare']> {
    if (viewer === null) return [unauthenticated()]
    if (!isWellFormed(request)) return [malformed()]
    const { query, variables = null, operationName = null } = request
    const notStorable = variablesProblem(variables)
    if (notStorable !== null) return [notStorable]
    const document = documentOf(query)
    if (Array.isArray(document)) return mask.errors(document, requestId)
    const args: ExecutionArgs = {
      schema,
      document,
      contextValue: contextOf(viewer),
      variableValues: variables,
      operationName,
      hideSuggestions: true,
    }
    const validated = validateExecutionArgs(args)
    if (!('schema' in validated)) return mask.errors(validated, requestId)
    const { operation, variableValues } = validated
    const problem = objectProblem({ schema, document, operation, variableValues })
    if (problem !== null) return [problem]
    return { ...args, kind: operation.operation, caller: { viewer, requestId }, validated }
  }

  async function execute(operation: PreparedOperation): Promise<ExecutionResult | OperationStream> {
    const { requestId } = operation.caller
    try {
      if (operation.kind !== OperationTypeNode.SUBSCRIPTION) {
        return mask.result(await executeRootSelectionSet(operation.validated), requestId)
      }
      const release = subscriptions.take(operation.caller.viewer.projectId)
      if (release === null) return { errors: [tooManySubscriptions(subscriptions.max)] }
      return await subscribe(operation, release)
    } catch (error) {
      return { errors: mask.errors([error], requestId) }
    }
  }

  /** @param release called when the subscription is over, or does not come about. */
  async function subscribe(
    operation: PreparedOperation,
    release: () => void,
  ): Promise<ExecutionResult | OperationStream> {
    const { requestId } = operation.caller
    try {
      const source = await createSourceEventStream(operation.validated as ValidatedSubscriptionArgs)
      if (!(Symbol.asyncIterator in source)) {
        release()
        return mask.result(source, requestId)
      }
      const handling = eventHandlingOf(operation)
      return operationStream(takenEvents(source as AsyncIterable<object>), {
        ...handling,
        failed: (error) => eventResultOf({ errors: mask.errors([error], requestId) }),
        ended() {
          release()
          handling.ended()
        },
      })
    } catch (error) {
      release()
      throw error
    }
  }

  return { prepare, execute }
}

function tooManySubscriptions(max: number): GraphQLError {
  return requestError('LIMIT_REACHED', `This process serves ${max} streams of a project at most.`)
}

/** What clients are shown of errors. */
function masking(log: Logger) {
  const errors = (failures: readonly unknown[], requestId: string): GraphQLError[] =>
    failures.map((error) => toClientError(error, { log, requestId }))
  const result = (full: ExecutionResult, requestId: string): ExecutionResult =>
    full.errors === undefined ? full : { ...full, errors: errors(full.errors, requestId) }
  return { errors, result }
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
