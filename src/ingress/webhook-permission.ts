import type { IncomingHttpHeaders } from 'node:http'
import type { RateLimit } from '../projects/limits.ts'
import type { IngressSource } from '../sources/index.ts'
import { type AnsweredRequest, problem } from './answer.ts'
import { type Refused, refused } from './refused.ts'

/*
 * CloudEvents senders ask by OPTIONS whether they may send, so that nobody can have webhooks sent to those who did not ask
 * for them. Who was given the address may.
 *
 * See HTTP 1.1 Web Hooks for Event Delivery 1.0.2, section 4.
 */

/** A host as a rule; some send its URL. */
const originPattern = /^[\w.:/[\]*-]{1,253}$/

/** @returns null when the request does not ask for permission. */
export function permissionFor(headers: IncomingHttpHeaders, source: IngressSource): AnsweredRequest | Refused | null {
  const origin = headers['webhook-request-origin']
  if (origin === undefined) return null
  if (typeof origin !== 'string' || !originPattern.test(origin)) {
    const detail = 'WebHook-Request-Origin is not a host name, such as eventemitter.example.com.'
    return refused('FORMAT_NOT_ACCEPTED', problem(400, 'WEBHOOK_ORIGIN_MALFORMED', detail))
  }
  return {
    kind: 'answered',
    status: 200,
    headers: {
      allow: source.allowedMethods.join(', '),
      'webhook-allowed-origin': origin,
      'webhook-allowed-rate': allowedRate(source),
    },
    body: '',
  }
}

// Requests per minute, as the specification counts; at least one.
function allowedRate({ rateLimit, projectRateLimit }: IngressSource): string {
  const limits = [rateLimit, projectRateLimit].filter((limit) => limit !== null)
  if (limits.length === 0) return '*'
  return String(Math.max(1, Math.floor(Math.min(...limits.map(perMinute)))))
}

function perMinute({ count, windowMs }: RateLimit): number {
  return (count * 60_000) / windowMs
}
