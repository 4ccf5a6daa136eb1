import type { ActiveEndpoint } from '../endpoints/index.ts'
import { newId } from '../kernel/ids.ts'
import type { Logger } from '../kernel/log.ts'
import type { AttemptOutcome, OutboundRequest } from '../outbound/outbound.ts'
import { decideNext } from './decide-next.ts'
import type { DueDelivery } from './due-deliveries.ts'
import type { Lease } from './lease.ts'
import type { SentMessage } from './payload-form.ts'
import { type RequestTarget, requestOf } from './request-of.ts'
import { parseRetryAfter } from './retry-after.ts'
import type { Settlement } from './settle.ts'

/** The part of outbound that is needed here. */
export interface Sender {
  request(call: OutboundRequest): Promise<AttemptOutcome>
}

export interface AttemptDeps {
  readonly outbound: Sender
  /** `User-Agent` of the requests. */
  readonly userAgent: string
  readonly log: Logger
}

export interface AttemptInput {
  readonly lease: Lease
  readonly endpoint: RequestTarget & Pick<ActiveEndpoint, 'retryPolicy'>
  readonly delivery: DueDelivery & { readonly message: SentMessage }
  readonly signal: AbortSignal
}

/**
 * Makes one attempt and decides what follows.
 *
 * @throws the signal's reason when it is aborted: then nothing is known, and nothing is to be settled.
 */
export async function attemptDelivery(deps: AttemptDeps, input: AttemptInput): Promise<Settlement> {
  const { delivery, lease } = input
  const outcome = await send(deps, input)
  const result = {
    attemptNumber: delivery.attemptOfRound,
    status: outcome.response?.status ?? null,
    retryAfterSeconds: parseRetryAfter(outcome.retryAfter, Date.now()),
  }
  return {
    attemptId: newId('att'),
    deliveryId: delivery.id,
    lease,
    attemptNumber: delivery.attemptNumber,
    outcome,
    decision: decideNext(result, input.endpoint.retryPolicy, Math.random()),
    isProbe: delivery.isProbe,
  }
}

// What outbound cannot send at all harms this delivery alone, too: it counts as a broken connection.
async function send({ outbound, userAgent, log }: AttemptDeps, input: AttemptInput): Promise<AttemptOutcome> {
  const startedAt = new Date()
  try {
    return await outbound.request(await requestOf({ ...input, userAgent, nowMs: startedAt.getTime() }))
  } catch (error) {
    input.signal.throwIfAborted()
    log.error({ err: error, deliveryId: input.delivery.id }, 'a delivery could not be sent')
    const failureDetail = 'the request could not be sent'
    return { startedAt, durationMs: 0, response: null, failure: 'CONNECTION_RESET', failureDetail, retryAfter: null }
  }
}
