import type { NewRefusal } from './refusal.ts'

/*
 * What a sender sent, in a form that the database takes whatever it was: much of a refusal is text of strangers.
 */

const maxCharacters = { detail: 1_000, method: 50, remoteAddress: 100, signature: 500, signedContentDigest: 100 }

export function storable(refusal: NewRefusal): NewRefusal {
  const { signature, signedContentDigest, clockSkewMs } = refusal
  return {
    ...refusal,
    detail: text(refusal.detail, maxCharacters.detail),
    status: whole(refusal.status),
    method: text(refusal.method, maxCharacters.method),
    remoteAddress: text(refusal.remoteAddress, maxCharacters.remoteAddress),
    bodyBytes: whole(refusal.bodyBytes),
    signature: signature === null ? null : text(signature, maxCharacters.signature),
    signedContentDigest:
      signedContentDigest === null ? null : text(signedContentDigest, maxCharacters.signedContentDigest),
    clockSkewMs: clockSkewMs === null || Number.isNaN(clockSkewMs) ? null : whole(clockSkewMs),
  }
}

// PostgreSQL's text holds neither NUL nor half a surrogate pair, which cutting may leave.
function text(value: string, maxLength: number): string {
  return value.slice(0, maxLength).replaceAll('\0', '\ufffd').toWellFormed()
}

function whole(value: number): number {
  return Math.min(Math.max(Math.round(value), Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER)
}
