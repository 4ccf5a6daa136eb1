import type { EndpointMethod } from '../endpoints/endpoint.entity.ts'
import type { AttemptId, DeliveryId, EndpointId, MessageId, OperationId, ProjectId, SourceId } from '../kernel/ids.ts'
import type { TimeRange } from '../kernel/time-range.ts'
import type { AttemptFailure, AttemptResponse } from '../outbound/outbound.ts'

/** How far a delivery is. The last four are final; `failed` and `canceled` until someone asks for a retry. */
export type DeliveryStatus = 'pending' | 'retrying' | 'delivered' | 'failed' | 'canceled' | 'expired'

/** One message for one endpoint. */
export interface Delivery {
  readonly id: DeliveryId
  readonly projectId: ProjectId
  readonly sourceId: SourceId
  readonly sequence: number
  readonly messageId: MessageId
  readonly endpointId: EndpointId
  /** The replay that it was created by; null when it was created on receipt. */
  readonly operationId: OperationId | null
  readonly status: DeliveryStatus
  /** Attempts that counted: those made under a lease that was overtaken are listed, but not counted. */
  readonly attemptCount: number
  /** Null when the delivery is finished. */
  readonly nextAttemptAt: Date | null
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** What was sent, without what is secret. */
export interface SentRequest {
  readonly method: EndpointMethod
  readonly url: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer
}

/** One HTTP request of a delivery, or of a test. */
export interface Attempt {
  readonly id: AttemptId
  readonly deliveryId: DeliveryId
  /** 1 for the first. Twice the same when an attempt was made under a lease that was overtaken. */
  readonly number: number
  readonly startedAt: Date
  readonly durationMs: number | null
  /** Of a test. Of deliveries it is not kept: the message and the endpoint's configuration are what it was made of. */
  readonly request?: SentRequest
  /** Null when nothing came back. */
  readonly response: AttemptResponse | null
  /** Null when it was answered with 2xx. */
  readonly failure: AttemptFailure | null
  readonly failureDetail: string | null
}

/** Which deliveries are meant: all that is given must hold. */
export interface DeliveryFilter {
  readonly endpointId?: EndpointId
  /** Of these sources' messages. */
  readonly sourceIds?: readonly SourceId[]
  readonly statuses?: readonly DeliveryStatus[]
  readonly ids?: readonly DeliveryId[]
  readonly createdAt?: TimeRange
}
