import type { Sql } from '../db/sql.ts'
import type { ActiveEndpoint } from '../endpoints/index.ts'
import type { EndpointId } from '../kernel/ids.ts'
import type { TaskRun } from '../queue/index.ts'
import { type AttemptDeps, attemptDelivery } from './attempt-delivery.ts'
import type { BodyBudget } from './body-budget.ts'
import type { DeliveryNotices } from './delivery-notices.ts'
import { cancelOpen, type DueDelivery, readDue } from './due-deliveries.ts'
import type { HeldLease } from './held-leases.ts'
import type { Settler } from './settler.ts'
import type { Turn } from './turns.ts'
import type { UnderWay } from './under-way.ts'

/*
 * The sending half of a drain: reads pages of what is due and sends them, until nothing is due or the session has to
 * end. Nothing is read before there is room to send it, and what could not be sent soon is read again: it may have been
 * called off meanwhile, and the bodies of a receiver that hangs would fill the memory.
 */
export interface Session {
  readonly endpointId: EndpointId
  readonly lease: HeldLease
  readonly turn: Turn
  readonly run: TaskRun
  readonly underWay: UnderWay
  /** When its turn is over, by `performance.now()`. */
  readonly endMs: number
}

/** Why a session ends. Requests may still be under way, but for `idle`. */
export type SessionEnd = 'idle' | 'unknown-endpoint' | 'closing' | 'turn-over' | 'lost'

export interface SessionDeps extends AttemptDeps {
  readonly sql: Sql
  readonly endpoints: { byId(id: EndpointId): Promise<ActiveEndpoint | null> }
  readonly settler: Settler
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

/** @throws what an attempt or its settling threw. */
export async function sendDue(deps: SessionDeps, session: Session): Promise<SessionEnd> {
  let mustLook = true
  let waitMs = lookMs.first
  for (;;) {
    const early = endOf(session)
    if (early !== null) return early
    if (session.turn.takeNotice() || mustLook) {
      const page = await sendPage(deps, session)
      if (page.kind === 'unknown-endpoint') return page.kind
      if (page.kind === 'no-memory') await deps.bodies.room(page.bytes, memoryWaitMs)
      waitMs = page.kind === 'none' ? Math.min(waitMs * 2, lookMs.longest) : lookMs.first
      mustLook = page.kind === 'more' || page.kind === 'no-memory'
      continue
    }
    const next = await waitForWork(session, waitMs)
    if (next === 'idle') return next
    mustLook = next === 'look'
  }
}

function endOf({ run, lease, underWay, endMs }: Session): SessionEnd | null {
  underWay.throwIfFailed()
  if (run.closing.aborted) return 'closing'
  if (!lease.isHeld()) return 'lost'
  return performance.now() > endMs ? 'turn-over' : null
}

/** `all`: what was found is under way, and there was no more. `more`: there may be more. */
type Page = { readonly kind: 'none' | 'all' | 'more' | 'unknown-endpoint' } | NoMemory

interface NoMemory {
  readonly kind: 'no-memory'
  /** Of the body that has to wait. */
  readonly bytes: number
}

async function sendPage(deps: SessionDeps, session: Session): Promise<Page> {
  const { endpointId, underWay } = session
  if (!(await underWay.room(pageAgeMs))) return { kind: 'more' }
  const page = await readDue(deps.sql, endpointId, underWay.ids(), pageLimits)
  if (page.length === 0) return { kind: 'none' }
  const staleMs = performance.now() + pageAgeMs
  let pageBytes = 0
  for (const delivery of page) {
    if (!(await underWay.room(staleMs - performance.now()))) return { kind: 'more' }
    // Asked for each, since it costs nothing: what is not under way yet goes by what the client has chosen meanwhile.
    const endpoint = await deps.endpoints.byId(endpointId)
    if (endpoint === null) return { kind: 'unknown-endpoint' }
    if (endOf(session) !== null) return { kind: 'more' }
    const bytes = delivery.message?.body.length ?? 0
    if (!deps.bodies.tryTake(bytes)) return { kind: 'no-memory', bytes }
    start(deps, session, endpoint, delivery)
    pageBytes += bytes
  }
  return { kind: page.length === pageLimits.maxRows || pageBytes >= pageLimits.maxBytes ? 'more' : 'all' }
}

function start(deps: SessionDeps, session: Session, endpoint: ActiveEndpoint, delivery: DueDelivery): void {
  const { lease, run, underWay } = session
  const { message } = delivery
  if (message === null) {
    underWay.add(delivery.id, Promise.resolve(), () => callOff(deps, delivery))
    return
  }
  const input = { lease, endpoint, delivery: { ...delivery, message }, signal: run.signal }
  const sending = attemptDelivery(deps, input).finally(() => deps.bodies.give(message.body.length))
  underWay.add(delivery.id, sending, async (settlement) => {
    if (settlement.outcome.response !== null) underWay.widen()
    const settled = await deps.settler.settle(settlement)
    if (settled?.holdsLease === false) lease.markLost()
  })
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
