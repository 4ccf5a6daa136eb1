import type { Reach } from '../auth/viewer.ts'
import { changeConfiguration } from '../db/configuration-epoch.ts'
import { done, invalid, type Outcome } from '../kernel/outcome.ts'
import { checkWholeNumber } from '../projects/input-checks.ts'
import type { Sealer } from '../secrets/index.ts'
import {
  overlapBoundsMs,
  type RotatedSecret,
  type RotateSecretInput,
  replaceSecret,
} from '../secrets/replace-secret.ts'
import { generateSecret } from '../signatures/standard-webhooks.ts'
import { type EndpointDeps, findOwnEndpoint } from './endpoint-configuration.ts'
import { checkEndpointInput } from './endpoint-input.ts'

/** Replaces the secret that signs an endpoint's deliveries; through the overlap the old ones sign beside it. */
export async function rotateEndpointSecret(
  deps: EndpointDeps & { readonly sealer: Sealer },
  reach: Reach,
  { ownerId, secret, overlapMs }: RotateSecretInput,
): Promise<Outcome<RotatedSecret>> {
  return await changeConfiguration(deps, reach.projectId, async (unit) => {
    const endpoint = await findOwnEndpoint(unit, reach, ownerId)
    if (endpoint === null) return { kind: 'not-found', id: ownerId, path: ['input', 'ownerId'] }
    const context = { sql: unit.sql, reach, guard: deps.guard }
    const { issues } = await checkEndpointInput(context, { secret })
    const failure = invalid([...issues, ...checkWholeNumber(overlapMs, ['input', 'overlapMs'], overlapBoundsMs)])
    if (failure !== null) return failure
    const text = secret ?? generateSecret()
    const secrets = await replaceSecret(unit, deps.sealer, { ownerId: endpoint.id, text, overlapMs })
    return done({ secret: text, secrets })
  })
}
