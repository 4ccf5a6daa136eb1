/**
 * `hookline/receiver`: takes deliveries in a server of your own. It needs nothing but Node's own modules, and nothing of
 * the gateway, so that this folder can also be copied.
 *
 * 1. An adapter (`fetch-handler.ts`, `node-handler.ts`) reads the body's bytes, up to a bound.
 * 2. `verify.ts` checks id, time and signature. What does not hold is refused with 401.
 * 3. `receiver.ts` chooses the handler by the event's type. An event that nobody wants is answered 2xx: ignored.
 * 4. `handled-ids.ts` says whether the event was handled before. It was: 2xx, duplicate. It is being handled now: 409,
 *    since that may still fail.
 * 5. The handler runs, then the id is kept, then the sender is answered. When the handler throws, the id is released and
 *    the sender is answered 500, so that its next attempt is handled. In the background the answer comes first.
 */
export { fetchHandler } from './fetch-handler.ts'
export { createHandledIds, type HandledIds, type HandledIdsOptions } from './handled-ids.ts'
export type { HeaderFields } from './header-fields.ts'
export { nodeHandler } from './node-handler.ts'
export type { ReceivedEvent } from './received-event.ts'
export {
  type Answer,
  type AnswerCode,
  createReceiver,
  type EventHandler,
  type HandlerOptions,
  type HandlerVerdict,
  type Receiver,
  type ReceiverOptions,
} from './receiver.ts'
export { ReceiverError } from './receiver-error.ts'
export type { PayloadOf } from './type-pattern.ts'
export {
  createVerifier,
  type Refusal,
  type RefusalCode,
  type SignedRequest,
  type Verified,
  type VerifierOptions,
  type Verify,
} from './verify.ts'
