import type { Reach } from '../auth/viewer.ts'
import type { Attempt, SentRequest } from '../deliveries/delivery.ts'
import { requestOf } from '../deliveries/request-of.ts'
import { shownHeaders } from '../endpoints/endpoint-headers.ts'
import { checkEventInput, type EventInput, eventOf } from '../ingress/event-input.ts'
import { newId } from '../kernel/ids.ts'
import { done, invalid, type Outcome } from '../kernel/outcome.ts'
import type { Outbound } from '../outbound/outbound.ts'
import type { Sealer } from '../secrets/index.ts'
import { type EndpointFinders, type FoundEndpoint, findEndpoint, userAgent } from './find-endpoint.ts'
import type { ProbeRoom } from './probe-room.ts'
import { testMessage } from './test-event.ts'

export interface TestEndpointDeps extends EndpointFinders {
  readonly outbound: Pick<Outbound, 'request'>
  readonly sealer: Sealer
  readonly probeRoom: ProbeRoom
}

export interface TestEndpointInput {
  readonly id: string
  /** Left out: one of type `hookline.test`. */
  readonly event?: EventInput | null | undefined
}

/**
 * Sends one event to an endpoint now, whatever its state: in its form, signed, with its headers and its time-out, marked by
 * the header `hookline-test`. Nothing of it is kept: no message, no delivery, no count.
 */
export async function testEndpoint(
  deps: TestEndpointDeps,
  reach: Reach,
  { id, event }: TestEndpointInput,
): Promise<Outcome<Attempt>> {
  const found = await findEndpoint(deps, reach, id)
  if (found === null) return { kind: 'not-found', id, path: ['input', 'id'] }
  const failure = event ? invalid(checkEventInput(event, ['input', 'event'])) : null
  if (failure !== null) return failure
  return await deps.probeRoom.enter(reach.projectId, async () => done(await attempt(deps, found, event ?? null)))
}

async function attempt(
  { outbound, sealer }: TestEndpointDeps,
  { endpoint, active }: FoundEndpoint,
  event: EventInput | null,
): Promise<Attempt> {
  const now = new Date()
  const message = testMessage(event === null ? null : eventOf(event), now)
  // Receivers of the plain form know what comes by the delivery's id.
  const delivery = { id: newId('dlv'), attemptNumber: 1, message }
  const signal = new AbortController().signal
  const request = await requestOf({ endpoint: active, delivery, userAgent, signal, nowMs: now.getTime(), isTest: true })
  const { startedAt, durationMs, response, failure, failureDetail } = await outbound.request(request)
  return {
    id: newId('att'),
    deliveryId: delivery.id,
    number: 1,
    startedAt,
    durationMs: Math.round(durationMs),
    response,
    failure,
    failureDetail,
    request: {
      method: active.method,
      url: request.url,
      headers: redacted(request.headers, secretNames(sealer, { endpoint, active })),
      body: request.body,
    },
  }
}

/** Names of header fields, in lower case, whose values are shown to nobody. */
function secretNames(sealer: Sealer, { endpoint, active }: FoundEndpoint): ReadonlySet<string> {
  const hidden = shownHeaders(sealer, endpoint).filter(([, value]) => value === redaction)
  const names = [...hidden, ...(active.authentication === null ? [] : [active.authentication])].map(([name]) => name)
  return new Set(names.map((name) => name.toLowerCase()))
}

const redaction = '[redacted]'

function redacted(headers: SentRequest['headers'], names: ReadonlySet<string>): SentRequest['headers'] {
  return headers.map(([name, value]) => [name, names.has(name.toLowerCase()) ? redaction : value])
}
