import { createHash, timingSafeEqual } from 'node:crypto'
import type { ActiveSecret, Refused, VerifiableRequest } from './verification.ts'

/**
 * One way to prove who one is. A scheme is a list of proofs of which one must hold: most have one,
 * Standard Webhooks has one for its symmetric and one for its asymmetric signatures.
 */
export interface Proof {
  /** A public sentence when the text cannot be a secret of this proof; null when it can. */
  checkSecret(text: string): string | null
  /** Lower-case names of the headers that this proof takes a credential from. */
  readonly credentialHeaders: readonly string[]
  /** Prepares the secrets; null when none of them is one of this proof. */
  against(secrets: readonly ActiveSecret[]): ProofCheck | null
}

/** Null when every secret has expired. Never throws. */
export type ProofCheck = (request: VerifiableRequest, nowMs: number) => Proven | Refused | null

export interface Proven {
  kind: 'proven'
  /** The text of the secret that held. */
  secret: string
}

/** What a proof is made of. `Claim`: what the request shows; `Key`: what a secret's text becomes. */
export interface ProofParts<Claim extends { readonly kind: 'claim' }, Key> {
  checkSecret(text: string): string | null
  /** Null when the text is no secret of this proof. */
  keyOf(text: string): Key | null
  readonly credentialHeaders: readonly string[]
  /** Reads what is claimed, before any key is used. */
  read(request: VerifiableRequest, nowMs: number): Claim | Refused
  /** The key that holds, in constant time for each; undefined when none does. */
  find(claim: Claim, keys: readonly PreparedKey<Key>[]): PreparedKey<Key> | undefined
  /** What to say when none does. */
  wrong(claim: Claim): Refused
  /** What else must be true of a request whose claim holds; null when it is. */
  confirm?(request: VerifiableRequest, nowMs: number): Refused | null
}

export interface PreparedKey<Key> {
  readonly key: Key
  readonly secret: string
  /** Unix time, ms; Infinity: never. */
  readonly expiresAtMs: number
}

export function defineProof<Claim extends { readonly kind: 'claim' }, Key>(parts: ProofParts<Claim, Key>): Proof {
  return {
    checkSecret: parts.checkSecret,
    credentialHeaders: parts.credentialHeaders,
    against(secrets) {
      const keys = secrets.flatMap((secret) => prepare(secret, parts.keyOf))
      return keys.length === 0 ? null : (request, nowMs) => check(parts, keys, { request, nowMs })
    },
  }
}

function prepare<Key>({ text, expiresAt }: ActiveSecret, keyOf: (text: string) => Key | null): PreparedKey<Key>[] {
  const key = keyOf(text)
  return key === null ? [] : [{ key, secret: text, expiresAtMs: expiresAt?.getTime() ?? Number.POSITIVE_INFINITY }]
}

function check<Claim extends { readonly kind: 'claim' }, Key>(
  parts: ProofParts<Claim, Key>,
  keys: readonly PreparedKey<Key>[],
  { request, nowMs }: { request: VerifiableRequest; nowMs: number },
): Proven | Refused | null {
  const active = keys.filter((key) => key.expiresAtMs > nowMs)
  if (active.length === 0) return null
  const claim = parts.read(request, nowMs)
  if (claim.kind === 'refused') return claim
  const found = parts.find(claim, active)
  if (found === undefined) return parts.wrong(claim)
  return parts.confirm?.(request, nowMs) ?? { kind: 'proven', secret: found.secret }
}

/** A header's value, several joined by `, ` as node:http does; null when there is none or it is empty. */
export function headerText(headers: VerifiableRequest['headers'], name: string): string | null {
  const value: unknown = headers[name]
  const text = Array.isArray(value) ? value.join(', ') : value
  return typeof text === 'string' && text !== '' ? text : null
}

/** Texts are compared by their digests, which have equal lengths: neither time nor a throw tells anything. */
export function digestOf(text: string | Uint8Array): Buffer {
  return createHash('sha256').update(text).digest()
}

export function findByDigest(
  given: readonly Buffer[],
  keys: readonly PreparedKey<Buffer>[],
): PreparedKey<Buffer> | undefined {
  return keys.find(({ key }) => given.some((digest) => timingSafeEqual(digest, key)))
}
