import { expect, test } from 'vitest'
import type { AttemptOutcome, ConnectionProbe } from '../outbound/outbound.ts'
import type { Finding } from './finding.ts'
import { judgeClock, judgeConnection, judgeLookup, judgeTls, judgeUrl } from './judge-network.ts'

const nowMs = Date.UTC(2026, 0, 1)
const took = (durationMs: number) => ({ isDone: true, durationMs }) as const
const failed = (failure: 'DNS' | 'CONNECTION_REFUSED' | 'TLS_EXPIRED' | 'ADDRESS_REFUSED') =>
  ({ isDone: false, failure, detail: 'it failed' }) as const

const untried: ConnectionProbe = { lookup: null, connection: null, tls: null }

function tlsUntil(days: number): ConnectionProbe {
  const expiresAt = new Date(nowMs + days * 86_400_000)
  return { ...untried, connection: took(1), tls: { ...took(1), protocol: 'TLSv1.3', expiresAt } }
}

function answerOf(date: string | null): AttemptOutcome {
  const headers: [string, string][] = date === null ? [] : [['Date', date]]
  const response = { status: 405, headers, body: Buffer.alloc(0), isTruncated: false, announcedBytes: null }
  const startedAt = new Date(nowMs)
  return { startedAt, durationMs: 1_000, response, failure: 'STATUS', failureDetail: null, retryAfter: null }
}

const clockAt = (skewSeconds: number) => answerOf(new Date(nowMs + skewSeconds * 1_000).toUTCString())
const unanswered: AttemptOutcome = { ...answerOf(null), response: null, failureDetail: 'no answer within 4000 ms' }
const https = 'https://receiver.example/'

test.each<[string, Finding]>([
  ['url ok', judgeUrl(https, { ok: true, url: https })],
  ['url warning', judgeUrl('http://receiver.example/', { ok: true, url: 'http://receiver.example/' })],
  ['url problem', judgeUrl(https, { ok: false, code: 'URL_REFUSED', message: 'This address is not a public one.' })],
  ['dns ok', judgeLookup(untried)],
  ['dns ok', judgeLookup({ ...untried, lookup: took(999) })],
  ['dns warning', judgeLookup({ ...untried, lookup: took(1_000) })],
  ['dns problem', judgeLookup({ ...untried, lookup: failed('DNS') })],
  ['dns problem', judgeLookup({ ...untried, lookup: failed('ADDRESS_REFUSED') })],
  ['connection skipped', judgeConnection(untried)],
  ['connection ok', judgeConnection({ ...untried, connection: took(10) })],
  ['connection warning', judgeConnection({ ...untried, connection: took(2_000) })],
  ['connection problem', judgeConnection({ ...untried, connection: failed('CONNECTION_REFUSED') })],
  ['tls skipped', judgeTls(https, untried, nowMs)],
  ['tls skipped', judgeTls(https, { ...untried, connection: failed('CONNECTION_REFUSED') }, nowMs)],
  ['tls ok', judgeTls('http://receiver.example/', { ...untried, connection: took(1) }, nowMs)],
  ['tls ok', judgeTls(https, tlsUntil(15), nowMs)],
  ['tls warning', judgeTls(https, tlsUntil(13), nowMs)],
  ['tls problem', judgeTls(https, { ...tlsUntil(1), tls: failed('TLS_EXPIRED') }, nowMs)],
  ['clock skipped', judgeClock(null)],
  ['clock skipped', judgeClock(unanswered)],
  ['clock skipped', judgeClock(answerOf(null))],
  ['clock skipped', judgeClock(answerOf('yesterday'))],
  ['clock ok', judgeClock(clockAt(0))],
  ['clock ok', judgeClock(clockAt(-59))],
  ['clock warning', judgeClock(clockAt(62))],
  ['clock warning', judgeClock(clockAt(-299))],
  ['clock problem', judgeClock(clockAt(302))],
  ['clock problem', judgeClock(clockAt(-3_600))],
])('%s: %o', (expected, { subject, level, summary, recommendation }) => {
  expect(`${subject} ${level}`).toBe(expected)
  expect(summary).toMatch(/^[A-Za-z].*\.$/)
  if (level === 'warning' || level === 'problem') expect(recommendation).toMatch(/\.$/)
  else expect(recommendation).toBeNull()
})

test('a clock that is off is told by how much, and in which direction', () => {
  expect(judgeClock(clockAt(-3_600)).summary).toContain('3600 s earlier than by ours')
  expect(judgeClock(clockAt(600)).summary).toContain('600 s later than by ours')
})
