import { expect, test } from 'vitest'
import { type EndpointState, unknownState } from '../endpoints/endpoint-state.ts'
import { slotOf } from '../rollups/index.ts'
import type { Finding } from './finding.ts'
import { type FailureKind, judgeFailures, judgeLatency, judgeState } from './judge-history.ts'

const counted = (attemptCount: number, failedCount: number) => ({
  attemptCount,
  deliveredCount: attemptCount - failedCount,
  histogram: [],
})
const kind = (status: number | null, failure: FailureKind['failure'] = 'STATUS'): FailureKind => ({
  failure,
  status,
  count: 3,
})

function lasting(...durationsMs: number[]) {
  const histogram: number[] = Array.from({ length: 101 }, () => 0)
  for (const durationMs of durationsMs) histogram[slotOf(durationMs)] = (histogram[slotOf(durationMs)] ?? 0) + 1
  return { attemptCount: durationsMs.length, deliveredCount: 0, histogram }
}

const active: EndpointState = { ...unknownState, status: 'active', disabledReason: null }
const later = new Date(Date.UTC(2026, 0, 1))

test.each<[string, Finding]>([
  ['failures ok', judgeFailures(counted(0, 0), [])],
  ['failures ok', judgeFailures(counted(1_000, 9), [kind(500)])],
  ['failures warning', judgeFailures(counted(1_000, 10), [kind(500)])],
  ['failures warning', judgeFailures(counted(10, 4), [])],
  ['failures problem', judgeFailures(counted(10, 5), [kind(null, 'RESPONSE_TIMEOUT')])],
  // What was accepted under a lease that was overtaken counts as delivered besides.
  ['failures ok', judgeFailures({ ...counted(10, 0), deliveredCount: 11 }, [])],
  ['latency ok', judgeLatency(lasting(), 1_000)],
  ['latency ok', judgeLatency(lasting(10, 20, 30), 1_000)],
  ['latency warning', judgeLatency(lasting(10, 20, 700), 1_000)],
  ['latency problem', judgeLatency(lasting(10, 20, 1_000), 1_000)],
  ['breaker ok', judgeState(active)],
  ['breaker warning', judgeState({ ...active, status: 'paused' })],
  ['breaker problem', judgeState({ ...active, status: 'disabled', disabledReason: 'It answered 410.' })],
  ['breaker warning', judgeState({ ...active, throttledUntil: later })],
  ['breaker problem', judgeState({ ...active, breaker: 'open', nextProbeAt: later, failingSince: later })],
  ['breaker problem', judgeState({ ...active, breaker: 'half-open' })],
])('%s: %o', (expected, { subject, level, summary, recommendation }) => {
  expect(`${subject} ${level}`).toBe(expected)
  expect(summary).toMatch(/^[A-Za-z0-9].*\.$/)
  if (level === 'warning' || level === 'problem') expect(recommendation).toMatch(/\.$/)
  else expect(recommendation).toBeNull()
})

test.each([
  [kind(302), 'status 302 (3)', /Redirects/],
  [kind(401), 'status 401 (3)', /secret/],
  [kind(404), 'status 404 (3)', /URL and method/],
  [kind(429), 'status 429 (3)', /rateLimit/],
  [kind(422), 'status 422 (3)', /log/],
  [kind(503), 'status 503 (3)', /its own/],
  [kind(null, 'TLS_EXPIRED'), 'TLS_EXPIRED (3)', /Renew/],
])('the most frequent failure decides what is recommended: %o', (failure, told, advice) => {
  const { summary, recommendation } = judgeFailures(counted(10, 6), [failure, kind(500)])
  expect(summary).toBe(`6 of 10 attempts failed; of the latest: ${told}, status 500 (3).`)
  expect(recommendation).toMatch(advice)
})
