import type { RefusalCode, Refused } from './verification.ts'

/** What a refusal may tell beyond its sentence; left out: null, and no headers. */
export interface RefusalEvidence {
  readonly signature?: string
  readonly signedContentDigest?: string
  readonly clockSkewMs?: number | null
  readonly headers?: Record<string, string>
  /** 403 where the provider's protocol says so; 401 otherwise. */
  readonly status?: 401 | 403
}

const reasons: Record<RefusalCode, Refused['reason']> = {
  SIGNATURE_MISSING: 'CREDENTIAL_MISSING',
  CREDENTIAL_MISSING: 'CREDENTIAL_MISSING',
  SIGNATURE_MALFORMED: 'CREDENTIAL_WRONG',
  SIGNATURE_WRONG: 'CREDENTIAL_WRONG',
  CREDENTIAL_WRONG: 'CREDENTIAL_WRONG',
  TIMESTAMP_OFF: 'TIMESTAMP_OFF',
}

export function refuse(code: RefusalCode, detail: string, evidence: RefusalEvidence = {}): Refused {
  return {
    kind: 'refused',
    status: evidence.status ?? 401,
    reason: reasons[code],
    code,
    detail,
    ...(evidence.headers === undefined ? {} : { headers: evidence.headers }),
    signature: evidence.signature ?? null,
    signedContentDigest: evidence.signedContentDigest ?? null,
    clockSkewMs: evidence.clockSkewMs ?? null,
  }
}

// The further a request came, the more its refusal says.
const closeness: Record<RefusalCode, number> = {
  SIGNATURE_MISSING: 0,
  CREDENTIAL_MISSING: 0,
  SIGNATURE_MALFORMED: 1,
  TIMESTAMP_OFF: 2,
  SIGNATURE_WRONG: 3,
  CREDENTIAL_WRONG: 3,
}

/** Of several ways to prove it that all failed, the one that came closest; the first of equals. */
export function closest(best: Refused | null, next: Refused): Refused {
  return best !== null && closeness[best.code] >= closeness[next.code] ? best : next
}

const maxShownItems = 10
const maxShownCharacters = 4

/** A signature header's form: lists and `k=` stay, of every value only the first 4 characters. At most 10 items. */
export function formOf(header: string): string {
  // An odd limit, so that it ends with an item and not with what parts two.
  const parts = header.slice(0, 10_000).split(/([,; \t]+)/, 2 * maxShownItems - 1)
  return parts.map((part, index) => (index % 2 === 0 ? itemForm(part) : part)).join('')
}

function itemForm(item: string): string {
  const key = /^[A-Za-z][A-Za-z0-9_-]{0,11}=(?=[^=])/.exec(item)?.[0] ?? ''
  const value = item.slice(key.length)
  return value.length <= maxShownCharacters ? item : `${key}${value.slice(0, maxShownCharacters)}…`
}
