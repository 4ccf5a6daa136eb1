import { errors } from 'undici'
import type { AttemptFailure } from './attempt.ts'
import { LookupError } from './guarded-lookup.ts'

const MAX_DETAIL_CHARACTERS = 300

const FAILURE_BY_CODE: ReadonlyMap<string, AttemptFailure> = new Map<string, AttemptFailure>([
  ['ECONNREFUSED', 'CONNECTION_REFUSED'],
  ['EHOSTUNREACH', 'CONNECTION_REFUSED'],
  ['ENETUNREACH', 'CONNECTION_REFUSED'],
  ['EADDRNOTAVAIL', 'CONNECTION_REFUSED'],
  ['EACCES', 'CONNECTION_REFUSED'],
  ['EPERM', 'CONNECTION_REFUSED'],
  ['UND_ERR_CONNECT_TIMEOUT', 'CONNECTION_TIMEOUT'],
  ['UND_ERR_HEADERS_OVERFLOW', 'RESPONSE_INVALID'],
  // Before the status line counts, that is: two lengths, or a length beside chunks.
  ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'RESPONSE_INVALID'],
  // undici asserts that a status is one.
  ['ERR_ASSERTION', 'RESPONSE_INVALID'],
  ['CERT_HAS_EXPIRED', 'TLS_EXPIRED'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'TLS_WRONG_HOST'],
  ['HOSTNAME_MISMATCH', 'TLS_WRONG_HOST'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'TLS_UNTRUSTED'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'TLS_UNTRUSTED'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'TLS_UNTRUSTED'],
  ['UNABLE_TO_GET_ISSUER_CERT', 'TLS_UNTRUSTED'],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'TLS_UNTRUSTED'],
  ['CERT_CHAIN_TOO_LONG', 'TLS_UNTRUSTED'],
  ['CERT_REVOKED', 'TLS_UNTRUSTED'],
  ['CERT_UNTRUSTED', 'TLS_UNTRUSTED'],
  ['CERT_REJECTED', 'TLS_UNTRUSTED'],
  ['CERT_SIGNATURE_FAILURE', 'TLS_UNTRUSTED'],
  ['INVALID_CA', 'TLS_UNTRUSTED'],
  ['INVALID_PURPOSE', 'TLS_UNTRUSTED'],
  ['PATH_LENGTH_EXCEEDED', 'TLS_UNTRUSTED'],
  ['CERT_NOT_YET_VALID', 'TLS'],
  ['EPROTO', 'TLS'],
])

/** Names what went wrong before a status line came. What has no name of its own is a broken connection. */
export function classifyFailure(error: Error): AttemptFailure {
  if (error instanceof LookupError) return error.failure
  const code = codeOf(error)
  const known = FAILURE_BY_CODE.get(code)
  if (known !== undefined) return known
  if (code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_')) return 'TLS'
  if (error instanceof errors.HTTPParserError) return 'RESPONSE_INVALID'
  // undici tells an unasked 100 or 101 from a closed socket by its text only.
  if (error instanceof errors.SocketError && error.message.startsWith('bad ')) return 'RESPONSE_INVALID'
  return 'CONNECTION_RESET'
}

/** One line for the user. */
export function describeFailure(error: Error): string {
  const parts = error instanceof AggregateError ? error.errors.map(String) : [messageOf(error)]
  const text = parts.join('; ').replaceAll(/\s+/g, ' ')
  return text.length > MAX_DETAIL_CHARACTERS ? `${text.slice(0, MAX_DETAIL_CHARACTERS - 1)}…` : text
}

// OpenSSL's own message is a dump with addresses and source lines; what it means stands apart.
function messageOf(error: Error): string {
  if (codeOf(error) === 'ERR_ASSERTION') return 'the status line is none of HTTP/1.1'
  return 'reason' in error && typeof error.reason === 'string' ? error.reason : error.message
}

/** True for errors that say the call itself could not be sent: a bug of the caller, nothing that a receiver did. */
export function isInvalidCall(error: Error): boolean {
  return error instanceof errors.InvalidArgumentError || error instanceof errors.RequestContentLengthMismatchError
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : ''
}
