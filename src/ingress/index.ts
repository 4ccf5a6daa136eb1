/**
 * Ingress: from a sender's request to a committed message.
 *
 * The address names the source: by a token that only its senders know, or, for sources that verify, by project and name.
 * What the head of the request already forbids (method, address of origin, rate, coding, announced size, a malformed
 * Idempotency-Key) is answered before its body is read; the body is read up to the source's limit, within a budget that
 * all requests share; the sender is verified over the raw bytes; what it says of its event is looked up; the recorder
 * stores. Only then is the answer 202.
 *
 * Events are published (publish-*.ts) by those who hold an API key: over HTTP through the same gates, several at a time,
 * or as a mutation. All of a request's events are stored or none.
 *
 * What a source turns away is told to its owner as a refusal. What is the gateway's own trouble (503) is not.
 */
export type { AcceptedAnswer, IngressAnswer, IngressProblem } from './answer.ts'
export { tellingOfLimits } from './limit-notices.ts'
export { createEventPublisher, type EventPublisher } from './publish-events.ts'
export { createEventIngress, type EventIngress, type EventsAnswer } from './publish-request.ts'
export { createRateLimiter, type RateLimiter, type RateVerdict } from './rate-limiter.ts'
export { createBodyBudget } from './read-body.ts'
export { createIngress, type Ingress, type IngressAddress, type IngressRequest } from './receive.ts'
