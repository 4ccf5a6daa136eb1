import type { AddressSet } from '../kernel/address-set.ts'
import type { ProjectId, SourceId } from '../kernel/ids.ts'
import type { RateLimit } from '../projects/limits.ts'
import type { AcceptedResponse, Mapping, VerificationPreset, Verifier } from '../signatures/index.ts'

/** What a request to a source needs to know of it. Prepared once, used until the configuration changes. */
export interface IngressSource {
  readonly id: SourceId
  readonly projectId: ProjectId
  readonly name: string
  /** Bytes. */
  readonly maxBodyBytes: number
  /** Upper-case; one or more. */
  readonly allowedMethods: readonly string[]
  /** Null when requests may come from anywhere. */
  readonly allowedNetworks: AddressSet | null
  /** Whether a body that is not JSON is refused. */
  readonly requiresJson: boolean
  /** Null when the token in the address is all. */
  readonly verifier: Verifier | null
  /** Whose rules the verifier follows; null when there is none, or those of another scheme. */
  readonly preset: VerificationPreset | null
  /** The places that the source's owner names, and where there is none for an attribute, the preset's. */
  readonly mapping: Mapping
  /** The places that the source's owner names alone: they come before what a CloudEvent says of itself. */
  readonly ownMapping: Mapping
  /** How long an event's id keeps a second message out, in ms; 0: not at all. */
  readonly duplicateWindowMs: number
  /** Null: unlimited. */
  readonly rateLimit: RateLimit | null
  /** Of all sources of the project together; null: unlimited. */
  readonly projectRateLimit: RateLimit | null
  /** What an accepted request is answered with; null: 202 and a receipt. The preset's answer is in it where the owner gave none. */
  readonly acceptedResponse: AcceptedResponse | null
}
