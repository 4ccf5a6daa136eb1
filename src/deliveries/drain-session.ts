import { setTimeout as sleep } from 'node:timers/promises'
import type { Sql } from '../db/sql.ts'
import type { ActiveEndpoint } from '../endpoints/index.ts'
import type { DeliveryId, EndpointId } from '../kernel/ids.ts'
import type { TaskRun } from '../queue/index.ts'
import { type AttemptDeps, attemptDelivery } from './attempt-delivery.ts'
import type { BodyBudget } from './body-budget.ts'
import { isGone, isOutage } from './decide-next.ts'
import type { DeliveryNotices } from './delivery-notices.ts'
import { cancelOpen, type DueDelivery, readDue } from './due-deliveries.ts'
import type { EndpointWatch } from './endpoint-changes.ts'
import type { HeldLease } from './held-leases.ts'
import type { Settled, Settlement } from './settle.ts'
import type { Settler } from './settler.ts'
import type { Turn } from './turns.ts'
import type { UnderWay } from './under-way.ts'

/*
 * The sending half of a drain: reads pages of what may be sent and sends it, until there is nothing or the session has to
 * end. Nothing is read before there is room to send it, and what could not be sent soon is read again: it may have been
 * called off meanwhile, and the bodies of a receiver that hangs would fill the memory.
 *
 * What holds an endpoint back as a whole (paused, throttled, an open breaker) stands in its state: then a page is empty.
 * Each outcome that was settled tells whether that has changed. After a failure that may change it nothing is begun until
 * it is settled: else a receiver that fails at once would get all that waits before anybody knew.
 *
 * Rate and concurrency are kept here, since the holder of the lease is the only one who sends.
 */
export interface Session {
  readonly endpointId: EndpointId
  readonly lease: HeldLease
  readonly turn: Turn
  readonly run: TaskRun
  readonly underWay: UnderWay
  /** When its turn is over, by `performance.now()`. */
  readonly endMs: number
  /** What was read goes out no more: so said the last outcome that was settled. */
  isHeldBack: boolean
  /** An outcome that is not settled yet may hold it back … */
  isInDoubt: boolean
  /** … and is settled when this resolves. Never rejects. */
  verdict: Promise<unknown>
  /** The breaker is open: one delivery goes, and the others wait for what comes of it. */
  isProbing: boolean
  /** The one that went. */
  probe: DeliveryId | null
  /** How many went. */
  probeCount: number
}

/** Why a session ends. Requests may still be under way, but for `idle` and `resting`. */
export type SessionEnd =
  | { readonly kind: 'idle' | 'unknown-endpoint' | 'closing' | 'turn-over' | 'lost' }
  /** Its rate lets nothing more through for so long. */
  | { readonly kind: 'resting'; readonly restMs: number }

export interface SessionDeps extends AttemptDeps {
  readonly sql: Sql
  readonly endpoints: { byId(id: EndpointId): Promise<ActiveEndpoint | null> }
  readonly settler: Settler
  readonly watch: EndpointWatch
  readonly notices: DeliveryNotices
  readonly bodies: BodyBudget
}

const pageLimits = { maxRows: 64, maxBytes: 512 * 1024 }
/** How long what was read may wait to be sent. */
const pageAgeMs = 1_000
/** How long a large body waits for others' before it is looked for again. */
const memoryWaitMs = 4_000
/** While receivers are slow, new work of other processes is noticed by looking; ever more rarely while there is none. */
const lookMs = { first: 1_000, longest: 8_000 }
const lingerMs = 20
/**
 * Who has to wait longer for its rate lets go meanwhile, and makes room for others. But not for longer than the second:
 * a rate that was raised is to hold soon.
 */
const paceMs = { shortest: 1_000, longest: 10_000 }

/** @throws what an attempt or its settling threw. */
export async function sendDue(deps: SessionDeps, session: Session): Promise<SessionEnd> {
  let mustLook = true
  let waitMs = lookMs.first
  for (;;) {
    const early = endOf(session)
    if (early !== null) return early
    if (session.turn.takeNotice() || mustLook) {
      const page = await sendPage(deps, session)
      const end = await afterPage(deps, session, page)
      if (end !== null) return end
      waitMs = page.kind === 'none' ? Math.min(waitMs * 2, lookMs.longest) : lookMs.first
      mustLook = page.kind !== 'none' && page.kind !== 'all'
      continue
    }
    const next = await waitForWork(session, waitMs)
    if (next === 'idle') return { kind: next }
    mustLook = next === 'look'
  }
}

/** Waits for what the page lacked. @returns the session's end, if it is not worth the wait. */
async function afterPage(deps: SessionDeps, { underWay, run }: Session, page: Page): Promise<SessionEnd | null> {
  if (page.kind === 'unknown-endpoint') return { kind: page.kind }
  if (page.kind === 'no-memory') await deps.bodies.room(page.bytes, memoryWaitMs)
  if (page.kind !== 'paced') return null
  if (underWay.isEmpty() && page.waitMs > paceMs.shortest) {
    return { kind: 'resting', restMs: Math.min(page.waitMs, paceMs.longest) }
  }
  await sleep(Math.min(page.waitMs, paceMs.shortest), null, { signal: run.closing }).catch(() => undefined)
  return null
}

function endOf({ run, lease, underWay, endMs }: Session): SessionEnd | null {
  underWay.throwIfFailed()
  if (run.closing.aborted) return { kind: 'closing' }
  if (!lease.isHeld()) return { kind: 'lost' }
  return performance.now() > endMs ? { kind: 'turn-over' } : null
}

/** `all`: what was found is under way, and there was no more. `more`: there may be more. */
type Page =
  | { readonly kind: 'none' | 'all' | 'more' | 'unknown-endpoint' }
  /** The body of so many bytes has to wait. */
  | { readonly kind: 'no-memory'; readonly bytes: number }
  /** The endpoint's rate lets nothing through for so long. */
  | { readonly kind: 'paced'; readonly waitMs: number }

async function sendPage(deps: SessionDeps, session: Session): Promise<Page> {
  const { underWay } = session
  if (!(await underWay.room(pageAgeMs))) return { kind: 'more' }
  await resolveDoubts(session)
  session.isHeldBack = false
  const page = await readPage(deps, session)
  if (page === null) return { kind: 'unknown-endpoint' }
  if (page.length === 0) return { kind: 'none' }
  const staleMs = performance.now() + pageAgeMs
  let pageBytes = 0
  for (const delivery of page) {
    if (!(await underWay.room(staleMs - performance.now()))) return { kind: 'more' }
    const obstacle = await sendOne(deps, session, delivery)
    if (obstacle !== null) return obstacle
    pageBytes += bytesOf(delivery)
  }
  return { kind: page.length === pageLimits.maxRows || pageBytes >= pageLimits.maxBytes ? 'more' : 'all' }
}

/** @returns null when it is under way. */
async function sendOne(deps: SessionDeps, session: Session, delivery: DueDelivery): Promise<Page | null> {
  // Asked for each, since it costs nothing: what is not under way yet goes by what the client has chosen meanwhile.
  const endpoint = await deps.endpoints.byId(session.endpointId)
  if (endpoint === null) return { kind: 'unknown-endpoint' }
  await resolveDoubts(session)
  if (endOf(session) !== null || session.isHeldBack) return { kind: 'more' }
  // Notice is given when it is known what came of the one that went.
  if (delivery.isProbe && session.probe !== null) return { kind: 'none' }
  const bytes = bytesOf(delivery)
  if (!deps.bodies.tryTake(bytes)) return { kind: 'no-memory', bytes }
  const waitMs = session.lease.pace.take(endpoint.rateLimit)
  if (waitMs > 0) {
    deps.bodies.give(bytes)
    return { kind: 'paced', waitMs }
  }
  start(deps, session, endpoint, delivery)
  return null
}

async function resolveDoubts(session: Session): Promise<void> {
  while (session.isInDoubt) {
    session.isInDoubt = false
    await session.verdict
  }
}

function bytesOf({ message }: DueDelivery): number {
  return message?.body.length ?? 0
}

/** @returns null when the endpoint is gone. */
async function readPage(deps: SessionDeps, session: Session): Promise<DueDelivery[] | null> {
  const { endpointId, lease, underWay, isProbing, probeCount } = session
  const endpoint = await deps.endpoints.byId(endpointId)
  if (endpoint === null) return null
  underWay.bound(endpoint.maxConcurrency)
  return await readDue(deps.sql, {
    endpointId,
    except: underWay.ids(),
    isOrdered: endpoint.isOrdered,
    // Every other probe is one of the latest: behind many that the endpoint fails at there may be one that it does not.
    first: isProbing && (lease.number + probeCount) % 2 === 0 ? 'latest-due' : 'longest-due',
    ...pageLimits,
    ...(isProbing ? { maxRows: 1 } : {}),
  })
}

function start(deps: SessionDeps, session: Session, endpoint: ActiveEndpoint, delivery: DueDelivery): void {
  const { lease, run, underWay } = session
  const { message } = delivery
  if (message === null) {
    const ended = underWay.add(delivery.id, Promise.resolve(), () => callOff(deps, delivery))
    void ended.then(() => session.turn.notify())
    return
  }
  if (delivery.isProbe) {
    session.probe = delivery.id
    session.probeCount += 1
  }
  const input = { lease, endpoint, delivery: { ...delivery, message }, signal: run.signal }
  const { promise: settled, resolve: onSettled } = Promise.withResolvers<void>()
  const sending = attemptDelivery(deps, input)
    .finally(() => deps.bodies.give(message.body.length))
    // Here and not when it is settled: before there is room for the next.
    .then((settlement) => {
      if (mayHoldBack(settlement)) {
        session.isInDoubt = true
        session.verdict = Promise.all([session.verdict, settled])
      }
      return settlement
    })
  const settle = (settlement: Settlement) => settleOne(deps, session, endpoint, settlement).finally(onSettled)
  const ended = underWay.add(delivery.id, sending, settle)
  // What waited for this one may go now; nobody else will say so.
  if (delivery.isProbe || endpoint.isOrdered) void ended.then(() => session.turn.notify())
}

function mayHoldBack({ decision, outcome }: Settlement): boolean {
  if (decision.kind === 'delivered') return false
  return decision.throttleMs !== null || isOutage(outcome.response?.status ?? null) || isGone(decision)
}

async function settleOne(
  deps: SessionDeps,
  session: Session,
  endpoint: ActiveEndpoint,
  settlement: Settlement,
): Promise<void> {
  if (settlement.outcome.response !== null) session.underWay.widen()
  const settled = await deps.settler.settle(settlement)
  if (session.probe === settlement.deliveryId) session.probe = null
  if (settled === null) return
  heed(session, settled)
  if (await deps.watch.afterAttempt(endpoint, settlement, settled)) session.isHeldBack = true
}

/** Goes by what settling told of the endpoint. */
function heed(session: Session, settled: Settled): void {
  if (!settled.holdsLease) session.lease.markLost()
  session.isHeldBack = !settled.maySend
  session.isProbing = settled.breaker === 'open'
}

async function callOff({ sql, notices }: SessionDeps, { id }: DueDelivery): Promise<void> {
  for (const { projectId } of await cancelOpen(sql, [id])) notices.changed(projectId, [id])
}

/** All that was found is under way. @returns `look`: there may be more though nobody said so. */
async function waitForWork({ turn, underWay }: Session, waitMs: number): Promise<'look' | 'woken' | 'idle'> {
  if (underWay.isEmpty()) return (await turn.nextNotice(lingerMs)) === 'notice' ? 'woken' : 'idle'
  const wokenBy = await Promise.race([turn.nextNotice(waitMs), underWay.allEnded()])
  return wokenBy === 'time-out' ? 'look' : 'woken'
}
