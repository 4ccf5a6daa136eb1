import type { Reach } from '../auth/viewer.ts'
import { changeConfiguration } from '../db/configuration-epoch.ts'
import { done, invalid, type Outcome } from '../kernel/outcome.ts'
import { checkWholeNumber } from '../projects/input-checks.ts'
import {
  overlapBoundsMs,
  type RotatedSecret,
  type RotateSecretInput,
  replaceSecret,
} from '../secrets/replace-secret.ts'
import type { SigningScheme } from './endpoint.entity.ts'
import { type EndpointDeps, findOwnEndpoint } from './endpoint-configuration.ts'
import { checkSigningSecret, generateSigningSecret, publicKeyOf } from './signing-secret.ts'

export interface RotateEndpointSecretInput extends RotateSecretInput {
  /** From now on; left out: as before. */
  readonly signing?: SigningScheme | null | undefined
}

/**
 * Replaces the secret that signs an endpoint's deliveries, and its scheme if asked to; through the overlap the old ones
 * sign beside it, each in its own form.
 */
export async function rotateEndpointSecret(
  deps: EndpointDeps,
  reach: Reach,
  { ownerId, secret, signing, overlapMs }: RotateEndpointSecretInput,
): Promise<Outcome<RotatedSecret>> {
  return await changeConfiguration(deps, reach.projectId, async (unit) => {
    const endpoint = await findOwnEndpoint(unit, reach, ownerId)
    if (endpoint === null) return { kind: 'not-found', id: ownerId, path: ['input', 'ownerId'] }
    const scheme = signing ?? endpoint.signing
    const failure = invalid([
      ...checkSigningSecret(scheme, secret, ['input', 'secret']),
      ...checkWholeNumber(overlapMs, ['input', 'overlapMs'], overlapBoundsMs),
    ])
    if (failure !== null) return failure
    endpoint.signing = scheme
    const text = secret ?? generateSigningSecret(scheme)
    const rotated = { ownerId: endpoint.id, text, publicKey: publicKeyOf(text), overlapMs }
    return done({ secret: text, secrets: await replaceSecret(unit, deps.sealer, rotated) })
  })
}
