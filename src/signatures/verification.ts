import type { ValueSelector } from '../kernel/value-selector.ts'

/** Providers whose webhooks are understood without description. */
export type VerificationPreset =
  | 'DISCORD'
  | 'DROPBOX'
  | 'GITHUB'
  | 'GITLAB'
  | 'LINEAR'
  | 'META'
  | 'MICROSOFT_GRAPH'
  | 'PADDLE'
  | 'SHOPIFY'
  | 'SLACK'
  | 'SQUARE'
  | 'STANDARD_WEBHOOKS'
  | 'STRIPE'
  | 'SVIX'
  | 'TWILIO'
  | 'ZOOM'

/** HMAC is keyed; HASH is the plain hash of secret and content. */
export type SignatureAlgorithm =
  | 'HMAC_SHA1'
  | 'HMAC_SHA256'
  | 'HMAC_SHA512'
  | 'HASH_SHA1'
  | 'HASH_SHA256'
  | 'HASH_SHA512'
  | 'ED25519'

export type SignatureEncoding = 'HEX' | 'BASE64'

/** The form of a signature, described as data. */
export interface SignatureFormat {
  algorithm: SignatureAlgorithm
  /** What is signed: a template over `{id}`, `{timestamp}`, `{url}` and `{body}`. */
  content: string
  /** The header that holds the signature. */
  header: string
  /** What stands before the signature, such as `sha256=`; null when nothing does. */
  prefix: string | null
  /** The signature's key where the header is a list of `k=v`, such as `v1`; null when it is no list. */
  parameter: string | null
  encoding: SignatureEncoding
  /** The header that holds the event's id; null when none is signed. */
  idHeader: string | null
  /** The header that holds the time, in unix seconds; null when it is in the list, or none is checked. */
  timestampHeader: string | null
  /** The time's key where it is in the list, such as `t`; null when it is not. */
  timestampParameter: string | null
  /** How far the time may be off, either way. */
  toleranceMs: number
}

/** How senders prove who they are. */
export type VerificationRules =
  /** `verifyToken` is what META sends when it asks whether the address is ours; null for every other provider. */
  | { scheme: 'PRESET'; preset: VerificationPreset; verifyToken: string | null }
  | { scheme: 'SIGNATURE'; format: SignatureFormat }
  | { scheme: 'API_KEY'; header: string }
  | { scheme: 'BEARER' }
  | { scheme: 'BASIC'; username: string }

/** One of the secrets that are tried. */
export interface ActiveSecret {
  text: string
  /** Null: never. Looked at on every request, so that a verifier may be kept. */
  expiresAt: Date | null
}

/** What a verifier looks at. */
export interface VerifiableRequest {
  method: string
  /** As the sender knows it: the public URL and the raw target. */
  url: string
  /** What follows the `?`; null when there is none. */
  query: string | null
  /** Lower-case names. */
  headers: NodeJS.Dict<string | string[]>
  /** The raw bytes, before any parsing. */
  body: Buffer
}

export type RefusalCode =
  | 'SIGNATURE_MISSING'
  | 'SIGNATURE_MALFORMED'
  | 'SIGNATURE_WRONG'
  | 'TIMESTAMP_OFF'
  | 'CREDENTIAL_MISSING'
  | 'CREDENTIAL_WRONG'

/** The sender has proved who it is. */
export interface Verified {
  kind: 'verified'
  /** Lower-case names of the headers whose values must be stored as `[redacted]`. */
  credentialHeaders: readonly string[]
  /** Names of the query parameters that hold a credential and must not be stored either. */
  credentialParameters: readonly string[]
}

/** A challenge or handshake: this is the whole answer, and nothing is stored. */
export interface Answered {
  kind: 'answered'
  status: number
  headers: Record<string, string>
  body: string
}

/** The sender has not proved who it is. */
export interface Refused {
  kind: 'refused'
  status: 401 | 403
  reason: 'CREDENTIAL_MISSING' | 'CREDENTIAL_WRONG' | 'TIMESTAMP_OFF'
  code: RefusalCode
  /** A sentence for the sender; holds no secret. */
  detail: string
  /** Headers that the answer must have, such as `www-authenticate`. */
  headers?: Record<string, string>
  /** The form of the signature that came, each value cut to its first 4 characters; null when none came. */
  signature: string | null
  /** SHA-256, in hex, of the text that we would have signed; null when we got no further than the form. */
  signedContentDigest: string | null
  /** How far the sender's clock is ahead of ours (behind: negative); null when there is no readable time. */
  clockSkewMs: number | null
}

export type Verdict = Verified | Answered | Refused

/** Prepared once per configuration; called for every request. */
export interface Verifier {
  /** Never throws, whatever came. */
  verify(request: VerifiableRequest, nowMs: number): Verdict
}

/** Where a provider puts an event's attributes; null where it has no such thing. */
export interface Mapping {
  id: ValueSelector | null
  type: ValueSelector | null
  subject: ValueSelector | null
}

/** What the sender of an accepted request is told. */
export interface AcceptedResponse {
  /** 200 to 299. */
  readonly status: number
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string
}
