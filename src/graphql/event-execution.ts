import { type ExecutionResult, executeSubscriptionEvent, type ValidatedSubscriptionArgs } from 'graphql'
import type { Viewer } from '../auth/viewer.ts'
import type { Context } from './context.ts'
import type { EventHandling, EventResult } from './operation-stream.ts'
import type { PreparedOperation } from './operations.ts'
import { createSharedResults, type Execution, executeFor, type Member } from './shared-results.ts'
import { sharingKeyOf } from './sharing-key.ts'

interface EventExecutionDeps {
  /** A context for one event. */
  contextOf(viewer: Viewer): Context
  /** What a client is shown of a result with errors. */
  mask(result: ExecutionResult, requestId: string): ExecutionResult
}

/**
 * Executes the events of subscriptions, each with a context of its own, and once for all who would be told the same.
 *
 * @returns the handling of one subscription's events; it is to be ended.
 */
export function createEventExecution(
  deps: EventExecutionDeps,
): (operation: PreparedOperation) => Omit<EventHandling<Execution>, 'failed'> {
  const shared = createSharedResults()
  return (operation) => {
    const { viewer, requestId } = operation.caller
    // Without the context of the beginning, whose loaders remember what they loaded.
    const subscription = { ...(operation.validated as ValidatedSubscriptionArgs), contextValue: null }
    const key = sharingKeyOf(operation)
    const member = key === null ? alone : shared.join(key)

    async function executeOne(rootValue: object): Promise<Execution> {
      const { impersonal, isPersonal } = impersonalViewer(viewer)
      const contextValue = deps.contextOf(impersonal)
      const result = await executeSubscriptionEvent({ ...subscription, rootValue, contextValue })
      const json = result.errors === undefined ? jsonOf(result) : null
      return { result, json, isPersonal: isPersonal() }
    }

    function shown({ result, json }: Execution): EventResult {
      if (json !== null) return { json, isUnavailable: false }
      return eventResultOf(deps.mask(result, requestId))
    }

    return {
      execute: (event, waiter) => (isOwn(event) ? alone : member).executionOf(event, executeOne, waiter),
      shown,
      ended: member.leave,
    }
  }
}

/** @param result as the client is to be shown it. */
export function eventResultOf(result: ExecutionResult): EventResult {
  const { errors = [] } = result
  return { json: jsonOf(result), isUnavailable: errors.some(({ extensions }) => extensions.code === 'UNAVAILABLE') }
}

// What a stream has read for itself nobody else gets.
function isOwn(event: object): boolean {
  return 'isOwn' in event && event.isOwn === true
}

const alone: Member = {
  executionOf(event, execute, waiter) {
    executeFor({ execute, waiter }, event)
    return null
  },
  leave: () => undefined,
}

function jsonOf(result: ExecutionResult): Buffer {
  return Buffer.from(JSON.stringify(result))
}

/** The viewer, and whether more than its rights was looked at: what all with the same rights have in common. */
function impersonalViewer(viewer: Viewer): { readonly impersonal: Viewer; isPersonal(): boolean } {
  const { projectId, scopes, sourceIds } = viewer
  let isPersonal = false
  const impersonal: Viewer = {
    projectId,
    scopes,
    sourceIds,
    get keyId() {
      isPersonal = true
      return viewer.keyId
    },
    get expiresAt() {
      isPersonal = true
      return viewer.expiresAt
    },
  }
  return { impersonal, isPersonal: () => isPersonal }
}
