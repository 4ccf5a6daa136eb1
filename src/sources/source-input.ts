import type { Issue } from '../kernel/outcome.ts'
import { checkName, checkText, checkWholeNumber } from '../projects/input-checks.ts'
import type { VerificationPreset } from './source.entity.ts'

/** How senders shall prove who they are: exactly one way. */
export interface VerificationInput {
  readonly preset: {
    readonly preset: VerificationPreset
    /** As the provider shows it; 1 to 1,000 characters. */
    readonly secret: string
  }
}

/** The fields that clients choose. Undefined: not given. */
export interface SourceInput {
  readonly name?: string | null | undefined
  readonly verification?: VerificationInput | null | undefined
  /** 1 to 26,214,400 bytes. */
  readonly maxBodyBytes?: number | null | undefined
}

/** 25 MiB: the largest payload that a provider is known to send (GitHub's). */
const maxMaxBodyBytes = 26_214_400

export const defaultMaxBodyBytes = 1_048_576

/** Checks the fields that were given; null is refused where a value is needed. */
export function checkSourceInput({ name, verification, maxBodyBytes }: SourceInput): Issue[] {
  const bounds = { min: 1, max: maxMaxBodyBytes }
  return [
    ...(name === undefined ? [] : checkName(name, ['input', 'name'])),
    ...(verification ? checkVerification(verification) : []),
    ...(maxBodyBytes === undefined ? [] : checkWholeNumber(maxBodyBytes, ['input', 'maxBodyBytes'], bounds)),
  ]
}

function checkVerification({ preset }: VerificationInput): Issue[] {
  return checkText(preset.secret, ['input', 'verification', 'preset', 'secret'], { min: 1, max: 1_000 })
}
