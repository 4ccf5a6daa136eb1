/**
 * Ingress: from a sender's request to a committed message.
 *
 * The token in the address names the source. What the head of the request already forbids (method, coding, announced
 * size) is answered before its body is read; the body is read up to the source's limit, within a budget that all
 * requests share; the sender is verified over the raw bytes; the recorder stores. Only then is the answer 202.
 */
export type { IngressAnswer, IngressProblem } from './answer.ts'
export { createBodyBudget } from './read-body.ts'
export { createIngress, type Ingress, type IngressRequest } from './receive.ts'
