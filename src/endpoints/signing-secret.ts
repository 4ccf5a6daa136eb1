import { createSecretKey, type KeyObject } from 'node:crypto'
import type { Issue } from '../kernel/outcome.ts'
import { issue } from '../projects/input-checks.ts'
import { ed25519PublicKeyText, generateEd25519Secret, parseEd25519Secret } from '../signatures/ed25519-secret.ts'
import { generateText } from '../signatures/keys.ts'
import { generateSecret, parseSecret } from '../signatures/standard-webhooks.ts'
import type { SigningScheme } from './endpoint.entity.ts'

/*
 * The text of an endpoint's signing secret tells its scheme: `whsec_…` and `whsk_…` belong to Standard Webhooks, any other
 * text to the plain form, whose key is the text itself. So after a change of scheme each secret goes on signing in its own
 * form until its overlap is over.
 */

interface SecretForm {
  /** Null when the text has not this form. */
  parse(text: string): KeyObject | null
  generate(): string
  /** What the text must be; a public sentence. */
  readonly demand: string
}

const secretForms: Readonly<Record<SigningScheme, SecretForm>> = {
  'standard-webhooks': {
    parse: parseSecret,
    generate: generateSecret,
    demand: 'A signing secret is "whsec_" and the base64, with padding, of 24 to 64 bytes.',
  },
  'standard-webhooks-ed25519': {
    parse: parseEd25519Secret,
    generate: generateEd25519Secret,
    demand:
      'An ed25519 signing secret is "whsk_" and the base64, with padding, of a seed (32 bytes), or of a seed and its public key.',
  },
  'plain-sha256': {
    parse: parsePlainSecret,
    generate: generateText,
    demand:
      'A plain signing secret has 16 to 256 characters, printable ones of ASCII, and does not begin like one of Standard Webhooks.',
  },
}

// Printable alone: such a text is the same bytes wherever it is pasted. With the beginning of another form it would not be
// clear whether the key is the text or what it encodes.
const plainPattern = /^(?!(?:whsec|whsk|whpk|hwsec)_)[\x20-\x7e]{16,256}$/

function parsePlainSecret(text: string): KeyObject | null {
  return plainPattern.test(text) ? createSecretKey(Buffer.from(text, 'utf8')) : null
}

export function generateSigningSecret(scheme: SigningScheme): string {
  return secretForms[scheme].generate()
}

/** Whether a text can be a secret of this scheme; none is needed, since one can be generated. */
export function checkSigningSecret(
  scheme: SigningScheme,
  text: string | null | undefined,
  path: readonly string[],
): Issue[] {
  const { parse, demand } = secretForms[scheme]
  return text === null || text === undefined || parse(text) !== null ? [] : [issue('MALFORMED', path, demand)]
}

/** A secret with its form. */
export interface SigningKey {
  readonly scheme: SigningScheme
  /** Private for ed25519, else for HMACs. */
  readonly key: KeyObject
}

/** @throws Error when the text has none of the forms (a bug: it is checked before it is stored). */
export function signingKeyOf(text: string): SigningKey {
  for (const scheme of schemes) {
    const key = secretForms[scheme].parse(text)
    if (key !== null) return { scheme, key }
  }
  throw new Error('a stored signing secret has not the form that was checked before it was stored')
}

const schemes = ['standard-webhooks', 'standard-webhooks-ed25519', 'plain-sha256'] as const

/** What receivers verify by, `whpk_…`; null where that is the secret itself. */
export function publicKeyOf(text: string): string | null {
  const { scheme, key } = signingKeyOf(text)
  return scheme === 'standard-webhooks-ed25519' ? ed25519PublicKeyText(key) : null
}
