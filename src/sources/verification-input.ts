import type { Issue } from '../kernel/outcome.ts'
import { unreachable } from '../kernel/unreachable.ts'
import { checkCustomHeaderName, checkText, checkUsername, issue } from '../projects/input-checks.ts'
import {
  checkSecret,
  checkSignatureFormat,
  type SignatureFormat,
  type VerificationPreset,
  type VerificationRules,
} from '../signatures/index.ts'

/** How senders shall prove who they are: exactly one field is given. */
export interface VerificationInput {
  readonly preset?: PresetInput | null | undefined
  readonly signature?: SignatureInput | null | undefined
  readonly apiKey?: { readonly header: string; readonly value: string } | null | undefined
  /** 16 to 512 characters. */
  readonly bearer?: string | null | undefined
  readonly basic?: { readonly username: string; readonly password: string } | null | undefined
}

interface PresetInput {
  readonly preset: VerificationPreset
  /** As the provider shows it; 1 to 1,000 characters. */
  readonly secret: string
  /** For META, and for no other. */
  readonly verifyToken?: string | null | undefined
}

type SignatureInput = { readonly secret: string } & Pick<
  SignatureFormat,
  'algorithm' | 'content' | 'header' | 'encoding' | 'toleranceMs'
> & { readonly [Part in OptionalPart]?: string | null | undefined }

type OptionalPart = 'prefix' | 'parameter' | 'idHeader' | 'timestampHeader' | 'timestampParameter'

const path = ['input', 'verification'] as const
const secretBounds = { min: 1, max: 1_000 } as const
const bearerBounds = { min: 16, max: 512 }
const formatTextBounds = { min: 0, max: 1_000 } as const
const verifyTokenBounds = { min: 1, max: 512 } as const

/** What an input asks for. */
export interface GivenVerification {
  readonly rules: VerificationRules
  readonly secret: string
  /** The field that the secret was given in. */
  readonly secretPath: readonly string[]
}

export function readVerification({ preset, signature, apiKey, bearer, basic }: VerificationInput): GivenVerification {
  if (preset) {
    const rules = { scheme: 'PRESET', preset: preset.preset, verifyToken: preset.verifyToken ?? null } as const
    return { rules, secret: preset.secret, secretPath: [...path, 'preset', 'secret'] }
  }
  if (signature) {
    const rules = { scheme: 'SIGNATURE', format: formatOf(signature) } as const
    return { rules, secret: signature.secret, secretPath: [...path, 'signature', 'secret'] }
  }
  if (apiKey) {
    const rules = { scheme: 'API_KEY', header: apiKey.header } as const
    return { rules, secret: apiKey.value, secretPath: [...path, 'apiKey', 'value'] }
  }
  if (basic) {
    const rules = { scheme: 'BASIC', username: basic.username } as const
    return { rules, secret: basic.password, secretPath: [...path, 'basic', 'password'] }
  }
  return { rules: { scheme: 'BEARER' }, secret: bearer ?? '', secretPath: [...path, 'bearer'] }
}

function formatOf(signature: SignatureInput): SignatureFormat {
  const { algorithm, content, header, encoding, toleranceMs } = signature
  return {
    algorithm,
    content,
    header,
    prefix: signature.prefix ?? null,
    parameter: signature.parameter ?? null,
    encoding,
    idHeader: signature.idHeader ?? null,
    timestampHeader: signature.timestampHeader ?? null,
    timestampParameter: signature.timestampParameter ?? null,
    toleranceMs,
  }
}

export function checkVerification(input: VerificationInput): Issue[] {
  const { rules, secret, secretPath } = readVerification(input)
  const issues = checkRules(rules)
  // What a secret must look like is said by rules that hold.
  return [
    ...issues,
    ...(issues.length === 0 ? checkSourceSecret(rules, secret, secretPath) : checkLength(rules, secret, secretPath)),
  ]
}

/** Whether a text can be a secret under these rules. */
export function checkSourceSecret(rules: VerificationRules, text: string, secretPath: readonly string[]): Issue[] {
  const issues = checkLength(rules, text, secretPath)
  if (issues.length > 0) return issues
  const objection = checkSecret(rules, text)
  return objection === null ? [] : [issue('MALFORMED', secretPath, objection)]
}

function checkLength({ scheme }: VerificationRules, text: string, secretPath: readonly string[]): Issue[] {
  const issues = checkText(text, secretPath, secretBounds)
  if (issues.length > 0 || scheme !== 'BEARER') return issues
  const { min, max } = bearerBounds
  if (text.length >= min && text.length <= max) return []
  return [issue('OUT_OF_RANGE', secretPath, `A bearer token has ${min} to ${max} characters.`)]
}

function checkRules(rules: VerificationRules): Issue[] {
  switch (rules.scheme) {
    case 'PRESET':
      return checkVerifyToken(rules.preset, rules.verifyToken)
    case 'SIGNATURE':
      return checkFormat(rules.format)
    case 'API_KEY':
      return checkCustomHeaderName(rules.header, [...path, 'apiKey', 'header'])
    case 'BASIC':
      return checkUsername(rules.username, [...path, 'basic', 'username'])
    case 'BEARER':
      return []
    default:
      return unreachable(rules)
  }
}

function checkVerifyToken(preset: VerificationPreset, verifyToken: string | null): Issue[] {
  const tokenPath = [...path, 'preset', 'verifyToken']
  if (preset === 'META') {
    if (verifyToken !== null) return checkText(verifyToken, tokenPath, verifyTokenBounds)
    return [issue('REQUIRED', tokenPath, 'META asks with a verify token of your choice whether the address is yours.')]
  }
  return verifyToken === null ? [] : [issue('MALFORMED', tokenPath, 'Only META sends a verify token.')]
}

function checkFormat(format: SignatureFormat): Issue[] {
  const unstorable = Object.entries(format).flatMap(([field, value]) =>
    typeof value === 'string' ? checkText(value, [...path, 'signature', field], formatTextBounds) : [],
  )
  if (unstorable.length > 0) return unstorable
  return checkSignatureFormat(format).map(({ field, message }) =>
    issue(field === 'toleranceMs' ? 'OUT_OF_RANGE' : 'MALFORMED', [...path, 'signature', field], message),
  )
}
