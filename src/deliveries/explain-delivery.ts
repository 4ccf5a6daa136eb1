import { type Reach, seesSource } from '../auth/viewer.ts'
import type { Sql } from '../db/sql.ts'
import { type EndpointState, readStates, unknownState } from '../endpoints/endpoint-state.ts'
import { listensTo } from '../endpoints/listens-to.ts'
import type { EndpointId, MessageId } from '../kernel/ids.ts'
import { unreachable } from '../kernel/unreachable.ts'
import type { StoredMessage } from '../messages/index.ts'
import type { Delivery } from './delivery.ts'
import { type DeliveryRow, deliveryColumns, deliveryOf } from './delivery-rows.ts'
import { type ExplainedTest, type MatchingParts, traceMatching } from './trace-matching.ts'

/** Why a message was, or was not, delivered to an endpoint: the first of these that applies to its latest delivery. */
export type DeliveryVerdict =
  | 'delivered'
  | 'failed'
  | 'canceled'
  | 'expired'
  | 'held-back'
  | 'retrying'
  | 'pending'
  /** From here on: there is no delivery. */
  | 'not-yet-matched'
  | 'other-sources'
  | 'filtered-out'
  | 'filter-failed'
  | 'endpoint-is-newer'
  | 'endpoint-changed'

export interface DeliveryExplanation {
  readonly verdict: DeliveryVerdict
  /** For people, with what to do. */
  readonly summary: string
  /** What the message was put to, up to what decided; empty when the message is no longer kept. */
  readonly trace: readonly ExplainedTest[]
  /** The latest one; null when there is none. */
  readonly delivery: Delivery | null
}

export interface ExplainInput {
  readonly endpointId: EndpointId
  readonly messageId: MessageId
  /** Null when it is no longer kept, or not for the caller. */
  readonly message: StoredMessage | null
}

/**
 * Answers why a message was, or was not, delivered to an endpoint, as both now are. Where there is no delivery, the message
 * is put to the endpoint once more, by the very tests of fan-out.
 *
 * @returns null when the endpoint is gone, or nothing is known of the message (any more) that the caller may see.
 */
export async function explainDelivery(
  sql: Sql,
  reach: Reach,
  input: ExplainInput,
): Promise<DeliveryExplanation | null> {
  const { endpointId, messageId, message } = input
  const values = [endpointId, reach.projectId, messageId, message?.sourceId ?? null]
  const [row] = await sql.query<PlaceRow>(placeText, values)
  if (row === undefined) return null
  const delivery = row.id === null ? null : deliveryOf(row)
  if (delivery !== null) {
    if (!seesSource(reach, delivery.sourceId)) return null
    const state = (await readStates(sql, [endpointId])).get(endpointId) ?? unknownState
    const verdict = verdictOf(delivery, { state, isMessageKept: message !== null })
    const trace = message === null ? [] : traceMatching({ ...partsOf(row), message, hasDelivery: true }).tests
    return { verdict, summary: summaryOf(verdict, { delivery, state, isOrdered: row.is_ordered }), trace, delivery }
  }
  if (message === null) return null
  const { tests, verdict } = traceMatching({ ...partsOf(row), message, hasDelivery: false })
  return { verdict, summary: missingTexts[verdict], trace: tests, delivery: null }
}

function partsOf(row: PlaceRow): Omit<MatchingParts, 'message' | 'hasDelivery'> {
  return {
    fannedOutTo: row.fanned_out_to,
    sourceName: row.source_name ?? '',
    endpoint: { listens: row.listens, filter: row.filter, createdAt: row.endpoint_created_at },
  }
}

interface Circumstances {
  readonly state: EndpointState
  readonly isMessageKept: boolean
}

function verdictOf({ status }: Delivery, { state, isMessageKept }: Circumstances): DeliveryVerdict {
  if (status !== 'pending' && status !== 'retrying') return status
  // Retention has moved past it, and comes to the delivery next.
  if (!isMessageKept) return 'expired'
  return heldBackText(state) === null ? status : 'held-back'
}

interface Told {
  readonly delivery: Delivery
  readonly state: EndpointState
  readonly isOrdered: boolean
}

function summaryOf(verdict: DeliveryVerdict, { delivery, state, isOrdered }: Told): string {
  const { attemptCount } = delivery
  const attempts = attemptCount === 1 ? 'one attempt' : `${attemptCount} attempts`
  switch (verdict) {
    case 'delivered':
      return `It was delivered by ${attempts}.`
    case 'failed':
      return `It was given up after ${attempts}: look at what they were answered. retryDelivery attempts it again.`
    case 'canceled':
      return 'It was called off: by a client, or because its source was deleted. Unless its message is gone, retryDelivery attempts it.'
    case 'expired':
      return 'Retention dropped its message before it was delivered: there is nothing to send any more.'
    case 'held-back':
      return heldBackText(state) ?? ''
    case 'retrying':
      return `After ${attempts} in vain it is attempted again ${whenText(delivery)}.${isOrdered ? orderText : ''}`
    case 'pending':
      return `It is about to be attempted, ${whenText(delivery)}.${isOrdered ? orderText : ''}`
    default:
      return missingTexts[verdict]
  }
}

function whenText({ nextAttemptAt }: Delivery): string {
  if (nextAttemptAt === null || nextAttemptAt.getTime() <= Date.now()) {
    return "as soon as the endpoint's rate and concurrency allow it"
  }
  return `at ${nextAttemptAt.toISOString()}`
}

const orderText = ' The endpoint keeps the order: what came before it in its source goes first.'

/** @returns null when nothing holds the endpoint's deliveries back. */
function heldBackText({ status, disabledReason, throttledUntil, breaker, nextProbeAt }: EndpointState): string | null {
  switch (status) {
    case 'paused':
      return 'The endpoint is paused: resumeEndpoint lets its deliveries go.'
    case 'disabled':
      return `The endpoint is disabled (${disabledReason ?? 'for no stated reason'}). Repair its receiver, then resumeEndpoint lets its deliveries go.`
    case 'active':
      break
    default:
      return unreachable(status)
  }
  if (throttledUntil !== null) {
    return `The endpoint's own answer asked for a pause: its deliveries go on at ${throttledUntil.toISOString()}.`
  }
  const breakerText = 'The endpoint failed time after time, so that only single attempts show whether it answers again'
  if (breaker === 'open') return `${breakerText}; the next one goes ${atText(nextProbeAt)}. diagnoseEndpoint looks why.`
  return breaker === 'half-open' ? `${breakerText}; one goes now. diagnoseEndpoint looks why.` : null
}

function atText(date: Date | null): string {
  return date === null ? 'soon' : `at ${date.toISOString()}`
}

type MissingVerdict = ReturnType<typeof traceMatching>['verdict']

const missingTexts: Record<MissingVerdict, string> = {
  'not-yet-matched': 'It has not been matched with endpoints yet: that follows within moments. Ask again.',
  'other-sources': 'The endpoint does not listen to its source: see Endpoint.sources.',
  'filtered-out': "The endpoint's filter does not let it through: the trace shows by which test.",
  'filter-failed':
    'The filter could not be evaluated on it: the trace shows where. Set the filter anew by updateEndpoint.',
  'endpoint-is-newer': 'It was received before the endpoint was created. replayMessages sends it.',
  'endpoint-changed':
    'It would match now, but did not when it was received: the endpoint was changed since. replayMessages sends it.',
}

/** The columns of a delivery are null when there is none. */
type PlaceRow = (DeliveryRow | { readonly id: null }) & {
  readonly fanned_out_to: number | null
  readonly source_name: string | null
  readonly listens: boolean
  readonly filter: string | null
  readonly is_ordered: boolean
  readonly endpoint_created_at: Date
}

// One snapshot: a mark that has passed the message, and its delivery, are seen together. Ids rise with time.
// Indexes: endpoints_pkey, deliveries_message_id_endpoint_id_operation_id_index, fan_out_marks_pkey, sources_pkey.
const placeText = `
  select ${deliveryColumns}, m.fanned_out_to, s.name as source_name, e.filter, e.is_ordered,
         e.created_at as endpoint_created_at,
         ${listensTo('e', 'coalesce(d.source_id, $4::text)')} as listens
    from endpoints as e
    left join lateral (
      select x.*
        from deliveries as x
       where x.message_id = $3::text
         and x.endpoint_id = e.id
       order by x.id desc
       limit 1) as d on true
    left join fan_out_marks as m on m.source_id = $4::text
    left join sources as s on s.id = $4::text
   where e.id = $1::text
     and e.project_id = $2::text`
