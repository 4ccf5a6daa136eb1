import { accessTokenParameter, basicProof, bearerProof, headerProof } from './credential-proofs.ts'
import type { Handshake } from './handshakes.ts'
import { ed25519PublicKey, generateText, textKey } from './keys.ts'
import { presets } from './presets.ts'
import type { Proof, ProofCheck, Proven } from './proof.ts'
import { closest, refuse } from './refusal.ts'
import { signatureProof } from './signature-proof.ts'
import type {
  AcceptedResponse,
  ActiveSecret,
  Mapping,
  Refused,
  Verdict,
  VerifiableRequest,
  VerificationPreset,
  VerificationRules,
  Verified,
  Verifier,
} from './verification.ts'

/** What rules come to: the proofs of which one must hold, and what else is said. */
interface Scheme {
  readonly proofs: readonly Proof[]
  readonly handshake: Handshake | null
  readonly verifyToken: string | null
  readonly credentialParameters: readonly string[]
  readonly generate: (() => string) | null
}

/**
 * Prepares the verification of one source: keys and formats once, so that a request costs little more than its hash.
 * Secrets that cannot be secrets of the scheme are passed over (see `checkSecret`), expired ones at each request.
 */
export function createVerifier(rules: VerificationRules, secrets: readonly ActiveSecret[]): Verifier {
  const { proofs, handshake, verifyToken, credentialParameters } = schemeOf(rules)
  const checks = proofs.map((proof) => proof.against(secrets)).filter((check) => check !== null)
  const verified: Verified = {
    kind: 'verified',
    credentialHeaders: [...new Set(proofs.flatMap((proof) => proof.credentialHeaders))],
    credentialParameters,
  }
  return {
    verify(request, nowMs): Verdict {
      const greeting = handshake?.greet?.(request, verifyToken) ?? null
      if (greeting !== null) return greeting
      const outcome = tryAll(checks, request, nowMs)
      if (outcome.kind === 'refused') return outcome
      return handshake?.reply?.(request, outcome.secret) ?? verified
    },
  }
}

function tryAll(checks: readonly ProofCheck[], request: VerifiableRequest, nowMs: number): Proven | Refused {
  let best: Refused | null = null
  for (const check of checks) {
    const outcome = check(request, nowMs)
    if (outcome?.kind === 'proven') return outcome
    if (outcome !== null) best = closest(best, outcome)
  }
  return (
    best ?? refuse('CREDENTIAL_WRONG', 'This source has no active secret, so nothing can be verified. Set a new one.')
  )
}

/** @returns a public sentence when the text cannot be a secret of this scheme; null when it can. */
export function checkSecret(rules: VerificationRules, text: string): string | null {
  const complaints = schemeOf(rules).proofs.map((proof) => proof.checkSecret(text))
  return complaints.includes(null) ? null : (complaints[0] ?? null)
}

/** A new secret of the scheme; null where only the sender can make one: it alone has the private key, or issues it. */
export function generateSecret(rules: VerificationRules): string | null {
  return schemeOf(rules).generate?.() ?? null
}

/** Where a provider puts its events' attributes. */
export function mappingOfPreset(preset: VerificationPreset): Mapping {
  return presets[preset].mapping
}

/** What a provider takes for success; null where any 2xx and body will do. */
export function acceptedResponseOfPreset(preset: VerificationPreset): AcceptedResponse | null {
  return presets[preset].acceptedResponse
}

/** One line about each provider. */
export const presetDescriptions = Object.fromEntries(
  Object.entries(presets).map(([preset, { description }]) => [preset, description]),
) as Record<VerificationPreset, string>

function schemeOf(rules: VerificationRules): Scheme {
  const plain = { handshake: null, verifyToken: null, credentialParameters: [], generate: generateText }
  switch (rules.scheme) {
    case 'PRESET':
      return { ...plain, ...presets[rules.preset], verifyToken: rules.verifyToken }
    case 'SIGNATURE': {
      const isPublicKey = rules.format.algorithm === 'ED25519'
      const proof = signatureProof(rules.format, isPublicKey ? ed25519PublicKey : textKey)
      return { ...plain, proofs: [proof], generate: isPublicKey ? null : generateText }
    }
    case 'API_KEY':
      return { ...plain, proofs: [headerProof(rules.header)] }
    case 'BEARER':
      return { ...plain, proofs: [bearerProof()], credentialParameters: [accessTokenParameter] }
    case 'BASIC':
      return { ...plain, proofs: [basicProof(rules.username)] }
  }
}
