import type { IngressSource } from '../sources/index.ts'
import { problem } from './answer.ts'
import { parseIdempotencyKey } from './idempotency-key.ts'
import type { RateLimiter } from './rate-limiter.ts'
import type { IngressRequest } from './receive.ts'
import { type Refused, refused, tooLarge } from './refused.ts'

/** A request whose head allows for its body to be read. */
export interface Admitted {
  readonly kind: 'admitted'
  /** Null when it has none. */
  readonly idempotencyKey: string | null
  /** What is told of rate limits. */
  readonly rateHeaders: Readonly<Record<string, string>>
}

/** What can be asked of a request before its body. */
export type RequestHead = Pick<IngressRequest, 'method' | 'headers' | 'rawHeaders' | 'remoteAddress'>

/** What the request line and headers already say, before a byte of the body is read; cheap answers first. */
export async function admit(
  rateLimiter: Pick<RateLimiter, 'take'>,
  request: RequestHead,
  source: IngressSource,
): Promise<Admitted | Refused> {
  const early = checkMethod(request, source) ?? checkAddress(request, source)
  if (early !== null) return early
  const rate = await rateLimiter.take(source)
  if (!rate.isAllowed) return rateLimited(rate.retryAfterSeconds, rate.headers)
  const late = checkCoding(request) ?? checkSize(request, source)
  if (late !== null) return late
  const idempotency = parseIdempotencyKey(request.rawHeaders)
  if (idempotency.problem !== undefined) return refused('IDEMPOTENCY_KEY', idempotency.problem)
  return { kind: 'admitted', idempotencyKey: idempotency.key, rateHeaders: rate.headers }
}

function checkMethod({ method }: RequestHead, source: IngressSource): Refused | null {
  return source.allowedMethods.includes(method) ? null : methodNotAllowed(method, source)
}

export function methodNotAllowed(method: string, { allowedMethods }: IngressSource): Refused {
  const allow = allowedMethods.join(', ')
  const detail = `${method} is not accepted here, but ${allow}.`
  return refused('METHOD_NOT_ALLOWED', problem(405, 'METHOD_NOT_ALLOWED', detail, { allow }))
}

function checkAddress({ remoteAddress }: RequestHead, { allowedNetworks }: IngressSource): Refused | null {
  if (allowedNetworks === null || allowedNetworks.has(remoteAddress)) return null
  const detail = `This source takes nothing from ${remoteAddress === '' ? 'an unknown address' : `the address ${remoteAddress}`}.`
  return refused('ADDRESS_NOT_ALLOWED', problem(403, 'ADDRESS_NOT_ALLOWED', detail))
}

function rateLimited(retryAfterSeconds: number, headers: Readonly<Record<string, string>>): Refused {
  const detail = `More requests came than this source or its project takes. Send it again in ${retryAfterSeconds} s.`
  const fields = { 'retry-after': String(retryAfterSeconds), ...headers }
  return refused('RATE_LIMITED', problem(429, 'RATE_LIMITED', detail, fields))
}

function checkCoding({ headers }: RequestHead): Refused | null {
  const coding = headers['content-encoding']
  if (coding === undefined || coding.toLowerCase() === 'identity') return null
  const detail = 'Send the body without Content-Encoding.'
  const fields = { 'accept-encoding': 'identity' }
  return refused('FORMAT_NOT_ACCEPTED', problem(415, 'CONTENT_CODING_NOT_ACCEPTED', detail, fields))
}

function checkSize({ headers }: RequestHead, source: IngressSource): Refused | null {
  return Number(headers['content-length'] ?? 0) > source.maxBodyBytes ? tooLarge(source) : null
}
