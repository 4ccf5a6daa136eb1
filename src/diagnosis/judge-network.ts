import type { UrlCheck } from '../outbound/address-guard.ts'
import type { AttemptFailure, AttemptOutcome, ConnectionProbe } from '../outbound/outbound.ts'
import { type Finding, findingsOn } from './finding.ts'

/*
 * What the way to an endpoint's server says of it. Pure: what was tried is handed in.
 */

/** Together they have five seconds; half of that leaves little. */
const slowLookupMs = 1_000
const slowConnectionMs = 2_000
/** Certificates are renewed weeks before their end where that works by itself. */
const expiringMs = 14 * 86_400_000
/** Receivers refuse signatures that are more than five minutes off. */
const toleranceMs = 300_000
const noticeableSkewMs = 60_000

export function judgeUrl(url: string, check: UrlCheck): Finding {
  const { ok, warning, problem } = findingsOn('url')
  if (!check.ok) return problem(check.message, 'Set another URL by updateEndpoint.')
  if (url.startsWith('https:')) return ok('The URL is well-formed and encrypted.')
  return warning('The URL is plain http: whoever is on the way can read and change what is sent.', 'Use https.')
}

export function judgeLookup({ lookup }: ConnectionProbe): Finding {
  const { ok, warning, problem } = findingsOn('dns')
  if (lookup === null) return ok('The URL names an address: there is no name to look up.')
  if (!lookup.isDone) return problem(`${lookup.detail}.`, adviceOn(lookup.failure))
  const took = `The name resolves, in ${milliseconds(lookup.durationMs)}`
  if (lookup.durationMs < slowLookupMs) return ok(`${took}.`)
  return warning(`${took}: it takes from the 5 s that a connection has.`, 'Look at the name servers of its zone.')
}

export function judgeConnection({ connection }: ConnectionProbe): Finding {
  const { ok, warning, problem, skipped } = findingsOn('connection')
  if (connection === null) return skipped('There is no address to connect to.')
  if (!connection.isDone) return problem(`${connection.detail}.`, adviceOn(connection.failure))
  const took = `Its server takes connections, in ${milliseconds(connection.durationMs)}`
  if (connection.durationMs < slowConnectionMs) return ok(`${took}.`)
  return warning(`${took}: after 5 s attempts give up.`, 'Look at the load of its server, and at the network between.')
}

export function judgeTls(url: string, { connection, tls }: ConnectionProbe, nowMs: number): Finding {
  const { ok, warning, problem, skipped } = findingsOn('tls')
  if (connection === null || !connection.isDone) return skipped('There is no connection to speak TLS on.')
  if (tls === null) return url.startsWith('https:') ? skipped('TLS was not tried.') : ok('The URL asks for no TLS.')
  if (!tls.isDone) return problem(`${tls.detail}.`, adviceOn(tls.failure))
  const end = tls.expiresAt.toISOString().slice(0, 10)
  if (tls.expiresAt.getTime() - nowMs < expiringMs) {
    return warning(`The certificate holds, until ${end} alone.`, 'Renew the certificate.')
  }
  return ok(`The certificate holds, until ${end}; ${tls.protocol}.`)
}

/** @param answer to a HEAD request; null when none was sent. */
export function judgeClock(answer: AttemptOutcome | null): Finding {
  const { ok, warning, problem, skipped } = findingsOn('clock')
  if (answer === null) return skipped('There is no connection to ask for the time.')
  if (answer.response === null)
    return skipped(`A HEAD request got no answer: ${answer.failureDetail ?? 'nothing came'}.`)
  const date = answer.response.headers.find(([name]) => name.toLowerCase() === 'date')
  const theirMs = Date.parse(date?.[1] ?? '')
  if (Number.isNaN(theirMs)) return skipped('Its server does not tell its time in the header `date`.')
  // Told in whole seconds, and somewhere between question and answer.
  const ourMs = answer.startedAt.getTime() + answer.durationMs / 2 - 500
  const skewMs = theirMs - ourMs
  const seconds = Math.round(Math.abs(skewMs) / 1_000)
  const told = `By its server's clock it is ${seconds} s ${skewMs < 0 ? 'earlier' : 'later'} than by ours`
  if (Math.abs(skewMs) > toleranceMs) {
    return problem(`${told}: receivers refuse signatures that are more than 300 s off.`, synchronise)
  }
  if (Math.abs(skewMs) > noticeableSkewMs) return warning(`${told}.`, synchronise)
  return ok("Its server's clock agrees with ours.")
}

const synchronise = 'Synchronise the clocks (NTP) of its server and of this one.'

function milliseconds(durationMs: number): string {
  return `${Math.round(durationMs)} ms`
}

const advice: Readonly<Record<AttemptFailure, string>> = {
  STATUS: "Look into the receiver's log for what it did not like.",
  DNS: "Correct the URL, or the name's records at its name servers.",
  ADDRESS_REFUSED:
    'Let the name lead to public addresses alone. Only the operator can allow others, by ALLOWED_NETWORKS.',
  CONNECTION_REFUSED: 'Start the receiver, and see that it listens on this port and that its firewall lets us in.',
  CONNECTION_TIMEOUT: 'See that the server is up and that no firewall drops what comes from us.',
  CONNECTION_RESET: 'Something on the way breaks connections off: look into the logs of receiver and proxies.',
  TLS_EXPIRED: 'Renew the certificate.',
  TLS_UNTRUSTED: 'Use a certificate of a public authority, and let the server send the intermediate ones with it.',
  TLS_WRONG_HOST: "Use a certificate for this host's name, or the name that the certificate is for.",
  TLS: 'See that the port speaks TLS 1.2 or later.',
  RESPONSE_TIMEOUT: 'Answer as soon as the event is stored, and work afterwards; or raise timeoutMs.',
  RESPONSE_INVALID: 'See that the port speaks HTTP/1.1.',
  WORKER_LOST: 'Nothing: the gateway was stopped under the attempt, and makes another one.',
}

/** What to do about a failure. */
export function adviceOn(failure: AttemptFailure): string {
  return advice[failure]
}
