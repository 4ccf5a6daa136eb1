import type { Reach } from '../auth/viewer.ts'
import type { Orm } from '../db/orm.ts'
import { sqlOfKysely } from '../db/sql.ts'
import { readStates, unknownState } from '../endpoints/endpoint-state.ts'
import type { ActiveEndpoint, Endpoint } from '../endpoints/index.ts'
import { done, type Outcome } from '../kernel/outcome.ts'
import { type AddressGuard, checkUrl } from '../outbound/address-guard.ts'
import type { AttemptOutcome, ConnectionProbe, Outbound } from '../outbound/outbound.ts'
import { type EndpointFinders, findEndpoint, userAgent } from './find-endpoint.ts'
import { type DiagnosisSubject, type Finding, findingsOn } from './finding.ts'
import { type AttemptCounts, judgeFailures, judgeLatency, judgeState } from './judge-history.ts'
import { judgeClock, judgeConnection, judgeLookup, judgeTls, judgeUrl } from './judge-network.ts'
import type { ProbeRoom } from './probe-room.ts'
import { readRecentFailures } from './recent-failures.ts'

export interface DiagnosisDeps extends EndpointFinders {
  readonly outbound: Pick<Outbound, 'request' | 'probe'>
  readonly guard: AddressGuard
  readonly probeRoom: ProbeRoom
  readonly orm: Orm
  readonly stats: CountReader
}

/** The part of the statistics that is needed here. */
export interface CountReader {
  read(
    queries: readonly {
      readonly nodeIds: readonly string[]
      readonly pieces: readonly { readonly span: 'minute'; readonly fromMs: number; readonly toMs: number }[]
      readonly interval: null
    }[],
  ): Promise<AttemptCounts[][]>
}

export interface Diagnosis {
  readonly endpoint: Endpoint
  readonly examinedAt: Date
  /** One for each subject, in their order. */
  readonly findings: readonly Finding[]
}

/** Together under the 10 s that an examination may take. */
const probeTimeoutMs = 5_000
const headTimeoutMs = 4_000

/** Examines an endpoint: connects to its server, asks it for the time, and looks at what was counted and recorded. */
export async function diagnoseEndpoint(
  deps: DiagnosisDeps,
  reach: Reach,
  { id }: { readonly id: string },
): Promise<Outcome<Diagnosis>> {
  const found = await findEndpoint(deps, reach, id)
  if (found === null) return { kind: 'not-found', id, path: ['input', 'id'] }
  const { endpoint, active } = found
  return await deps.probeRoom.enter(reach.projectId, async () => {
    const examinedAt = new Date()
    const [network, history] = await Promise.all([examineNetwork(deps, active), examineHistory(deps, active)])
    return done({ endpoint, examinedAt, findings: [...network, ...history] })
  })
}

async function examineNetwork({ outbound, guard }: DiagnosisDeps, { url }: ActiveEndpoint): Promise<Finding[]> {
  const check = checkUrl(url, guard)
  const ofUrl = judgeUrl(url, check)
  if (!check.ok) return [ofUrl, ...skipped.map((subject) => findingsOn(subject).skipped('The URL is not called.'))]
  const probe = await outbound.probe(url, probeTimeoutMs)
  const tls = judgeTls(url, probe, Date.now())
  const answer = isOpen(url, probe) ? await askForTime(outbound, url) : null
  return [ofUrl, judgeLookup(probe), judgeConnection(probe), tls, judgeClock(answer)]
}

const skipped: readonly DiagnosisSubject[] = ['dns', 'connection', 'tls', 'clock']

function isOpen(url: string, { connection, tls }: ConnectionProbe): boolean {
  return (url.startsWith('https:') ? tls : connection)?.isDone === true
}

// Without signature, credentials and the headers that were added: whoever answers is asked for nothing but its clock.
async function askForTime(outbound: Pick<Outbound, 'request'>, url: string): Promise<AttemptOutcome> {
  const headers = [['user-agent', userAgent]] as const
  return await outbound.request({ url, method: 'HEAD', headers, body: null, timeoutMs: headTimeoutMs })
}

async function examineHistory({ orm, stats }: DiagnosisDeps, { id, timeoutMs }: ActiveEndpoint): Promise<Finding[]> {
  const sql = sqlOfKysely(orm.em.fork().getKysely())
  const [buckets] = await stats.read([{ nodeIds: [id], pieces: [lastDay(Date.now())], interval: null }])
  const counts = buckets?.[0] ?? nothingCounted
  const kinds = counts.attemptCount > counts.deliveredCount ? await readRecentFailures(sql, id) : []
  const state = (await readStates(sql, [id])).get(id) ?? unknownState
  return [judgeFailures(counts, kinds), judgeLatency(counts, timeoutMs), judgeState(state)]
}

const nothingCounted: AttemptCounts = { attemptCount: 0, deliveredCount: 0, histogram: [] }

const minuteMs = 60_000
const dayMs = 86_400_000

/** Whole minutes, the running one included. */
function lastDay(nowMs: number): { readonly span: 'minute'; readonly fromMs: number; readonly toMs: number } {
  const toMs = Math.floor(nowMs / minuteMs) * minuteMs + minuteMs
  return { span: 'minute', fromMs: toMs - dayMs, toMs }
}
