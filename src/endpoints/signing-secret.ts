import type { KeyObject } from 'node:crypto'
import type { Issue } from '../kernel/outcome.ts'
import { issue } from '../projects/input-checks.ts'
import {
  parseSigningSecret,
  publicTextOf,
  type SigningScheme,
  signingSecretDemands,
} from '../signatures/signing-secrets.ts'

/*
 * The text of an endpoint's signing secret tells its scheme: `whsec_…` and `whsk_…` belong to Standard Webhooks, any other
 * text to the plain form, whose key is the text itself. So after a change of scheme each secret goes on signing in its own
 * form until its overlap is over.
 */

/** With a scheme of its own in the text, it would not be clear whether the key is the text or what it encodes. */
const plainPattern = /^(?!(?:whsec|whsk|whpk|hwsec)_)[\x20-\x7e]{16,256}$/
const plainDemand =
  'A plain signing secret has 16 to 256 characters, printable ones of ASCII, and does not begin like one of Standard Webhooks.'

/** Whether a text can be a secret of this scheme. */
export function checkSigningSecret(scheme: SigningScheme, text: string, path: readonly string[]): Issue[] {
  const isPlain = scheme === 'plain-sha256'
  const fits = isPlain ? plainPattern.test(text) : parseSigningSecret(scheme, text) !== null
  return fits ? [] : [issue('MALFORMED', path, isPlain ? plainDemand : signingSecretDemands[scheme])]
}

/** A secret with its form. */
export interface SigningKey {
  readonly scheme: SigningScheme
  /** Private for ed25519, else for HMACs. */
  readonly key: KeyObject
}

/** @throws Error when the text is none (a bug: it is checked before it is stored). */
export function signingKeyOf(text: string): SigningKey {
  for (const scheme of schemes) {
    const key = parseSigningSecret(scheme, text)
    if (key !== null) return { scheme, key }
  }
  throw new Error('a stored signing secret has not the form that was checked before it was stored')
}

// The plain form last: it takes any text.
const schemes = ['standard-webhooks', 'standard-webhooks-ed25519', 'plain-sha256'] as const

/** What receivers verify by, `whpk_…`; null where that is the secret itself. */
export function publicKeyOf(text: string): string | null {
  return publicTextOf(signingKeyOf(text).key)
}
