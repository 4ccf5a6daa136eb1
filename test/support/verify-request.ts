import {
  type ActiveSecret,
  createVerifier,
  type Verdict,
  type VerificationPreset,
  type VerificationRules,
} from '../../src/signatures/index.ts'

export const nowMs = 1_700_000_000_000
export const seconds = '1700000000'
export const url = 'https://hooks.example/in/token?a=1'

/** What differs from an empty POST. */
interface Sent {
  readonly headers?: NodeJS.Dict<string | string[]>
  readonly body?: string | Buffer
  readonly query?: string | null
  readonly url?: string
  readonly atMs?: number
}

/** Verifies one request with a verifier made for it. */
export function verify(rules: VerificationRules, secrets: string | readonly ActiveSecret[], sent: Sent = {}): Verdict {
  const active = typeof secrets === 'string' ? [{ text: secrets, expiresAt: null }] : secrets
  const request = {
    method: 'POST',
    url: sent.url ?? url,
    query: sent.query ?? null,
    headers: sent.headers ?? {},
    body: Buffer.from(sent.body ?? ''),
  }
  return createVerifier(rules, active).verify(request, sent.atMs ?? nowMs)
}

export function preset(name: VerificationPreset): VerificationRules {
  return { scheme: 'PRESET', preset: name, verifyToken: null }
}

export const verified = { kind: 'verified' }
