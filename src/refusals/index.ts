/**
 * Refusals: the requests that sources turned away, and why, for those who look for what their sender does wrong.
 *
 * The **log** takes them in from ingress and never holds it up: what comes faster than it can be kept is only counted.
 * Of each source the latest 1,000 stay. Clients read by the **store** and follow by `watchRefusals`.
 */
export type { NewRefusal, Refusal, RefusalReason } from './refusal.ts'
export { createRefusalLog, type RefusalLog, type RefusalLogDeps } from './refusal-log.ts'
export { removeRefusals } from './refusal-statements.ts'
export { createRefusalStore, type RefusalStore } from './refusal-store.ts'
export { watchRefusals } from './watch-refusals.ts'
