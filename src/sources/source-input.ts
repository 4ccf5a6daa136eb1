import { canonicalNetwork } from '../kernel/address-set.ts'
import type { SourceId } from '../kernel/ids.ts'
import type { Issue } from '../kernel/outcome.ts'
import { checkName, checkNotNull, checkWholeNumber, issue } from '../projects/input-checks.ts'
import { checkRateLimit, checkRetention, type GivenRetention, type RateLimit, retentionOf } from '../projects/limits.ts'
import type { Sealer } from '../secrets/index.ts'
import { checkResponse, type ResponseInput, sealResponse } from './accepted-response.ts'
import { checkMapping, type MappingInput, mappingOf } from './event-mapping.ts'
import type { AcceptedMethod, Source } from './source.entity.ts'
import { checkVerification, type VerificationInput } from './verification-input.ts'

/** The fields that clients choose. Undefined: not given. Null: refused, but where it says otherwise. */
export interface SourceInput {
  readonly name?: string | null | undefined
  /** Null: the token in the address is all. */
  readonly verification?: VerificationInput | null | undefined
  /** 1 to 26,214,400 bytes. */
  readonly maxBodyBytes?: number | null | undefined
  readonly isPaused?: boolean | null | undefined
  /** One or more. */
  readonly allowedMethods?: readonly AcceptedMethod[] | null | undefined
  /** At most 100 addresses and CIDR networks; empty: any. */
  readonly allowedNetworks?: readonly string[] | null | undefined
  readonly requiresJson?: boolean | null | undefined
  /** Null: nothing is said. */
  readonly mapping?: MappingInput | null | undefined
  /** 0 to 604,800,000 ms. */
  readonly duplicateWindowMs?: number | null | undefined
  /** Null: unlimited. */
  readonly rateLimit?: RateLimit | null | undefined
  /** Null: the project's rule. */
  readonly retention?: GivenRetention | null | undefined
  /** Null: what the preset's provider asks for, or 202 and a receipt. */
  readonly acceptedResponse?: ResponseInput | null | undefined
}

/** 25 MiB: the largest payload that a provider is known to send (GitHub's). */
const bodyBounds = { min: 1, max: 26_214_400 }
/** Seven days: longer than any provider repeats a delivery. */
const windowBoundsMs = { min: 0, max: 604_800_000 }
const maxNetworks = 100

export const defaultMaxBodyBytes = 1_048_576

/** What a source is where nothing else was chosen. */
export const defaultFields = {
  maxBodyBytes: defaultMaxBodyBytes,
  isPaused: false,
  allowedMethods: ['GET', 'POST'],
  allowedNetworks: [],
  requiresJson: false,
  mapping: null,
  duplicateWindowMs: 86_400_000,
  rateLimit: null,
  retention: null,
  acceptedResponse: null,
} satisfies Partial<Source>

/** Checks the fields that were given; null is refused where a value is needed. */
export function checkSourceInput(input: SourceInput): Issue[] {
  const { name, verification, maxBodyBytes, duplicateWindowMs, mapping, acceptedResponse } = input
  return [
    ...(name === undefined ? [] : checkName(name, ['input', 'name'])),
    ...(verification ? checkVerification(verification) : []),
    ...(maxBodyBytes === undefined ? [] : checkWholeNumber(maxBodyBytes, ['input', 'maxBodyBytes'], bodyBounds)),
    ...checkNotNull(input.isPaused, ['input', 'isPaused']),
    ...checkMethods(input.allowedMethods),
    ...checkNetworks(input.allowedNetworks),
    ...checkNotNull(input.requiresJson, ['input', 'requiresJson']),
    ...(mapping ? checkMapping(mapping) : []),
    ...(duplicateWindowMs === undefined
      ? []
      : checkWholeNumber(duplicateWindowMs, ['input', 'duplicateWindowMs'], windowBoundsMs)),
    ...checkRateLimit(input.rateLimit, ['input', 'rateLimit']),
    ...checkRetention(input.retention, ['input', 'retention']),
    ...(acceptedResponse ? checkResponse(acceptedResponse) : []),
  ]
}

function checkMethods(methods: readonly string[] | null | undefined): Issue[] {
  if (methods === undefined || (methods !== null && methods.length > 0)) return []
  return [issue('REQUIRED', ['input', 'allowedMethods'], 'At least one method is needed; to accept nothing, pause.')]
}

function checkNetworks(networks: readonly string[] | null | undefined): Issue[] {
  const path = ['input', 'allowedNetworks']
  if (networks === undefined) return []
  if (networks === null) return checkNotNull(networks, path)
  if (networks.length > maxNetworks) {
    return [issue('OUT_OF_RANGE', path, `At most ${maxNetworks} addresses and networks are possible.`)]
  }
  return [...networks.entries()]
    .filter(([, network]) => canonicalNetwork(network) === null)
    .map(([position]) =>
      issue('MALFORMED', [...path, `${position}`], 'This is neither an address nor a network such as 192.0.2.0/24.'),
    )
}

/** Of an input that was checked, the fields of the source's row that it chooses; verification is set apart. */
export function chosenFields(sealer: Sealer, id: SourceId, input: SourceInput): Partial<Source> {
  const { mapping, retention, acceptedResponse } = input
  const chosen = {
    name: input.name ?? undefined,
    maxBodyBytes: input.maxBodyBytes ?? undefined,
    isPaused: input.isPaused ?? undefined,
    allowedMethods: input.allowedMethods ? [...new Set(input.allowedMethods)] : undefined,
    allowedNetworks: input.allowedNetworks ? canonicalNetworks(input.allowedNetworks) : undefined,
    requiresJson: input.requiresJson ?? undefined,
    mapping: mapping ? mappingOf(mapping) : mapping,
    duplicateWindowMs: input.duplicateWindowMs ?? undefined,
    rateLimit: input.rateLimit ? { count: input.rateLimit.count, windowMs: input.rateLimit.windowMs } : input.rateLimit,
    retention: retention ? retentionOf(retention) : retention,
    acceptedResponse: acceptedResponse ? sealResponse(sealer, id, acceptedResponse) : acceptedResponse,
  } satisfies { [Field in keyof Source]?: Source[Field] | undefined }
  return Object.fromEntries(Object.entries(chosen).filter(([, value]) => value !== undefined))
}

function canonicalNetworks(networks: readonly string[]): string[] {
  return [...new Set(networks.map(canonicalNetwork))].filter((network) => network !== null)
}
