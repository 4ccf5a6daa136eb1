import { type ConfigurationDeps, changeConfiguration } from '../db/configuration-epoch.ts'
import { isId } from '../kernel/ids.ts'
import { done, type Outcome } from '../kernel/outcome.ts'
import { type ApiKey, ApiKeyEntity } from './api-key.entity.ts'
import { type Reach, seesAllOf } from './viewer.ts'

/**
 * Ends a key for good; every process refuses it within a second. Revoking twice changes nothing and is no failure. Who is
 * limited to some sources can only revoke keys that are limited to some of these.
 */
export async function revokeApiKey(
  deps: ConfigurationDeps,
  reach: Reach,
  input: { readonly id: string },
): Promise<Outcome<ApiKey>> {
  const { id } = input
  const notFound = { kind: 'not-found', id, path: ['input', 'id'] } as const
  if (!isId('key', id)) return notFound
  return await changeConfiguration(deps, reach.projectId, async ({ em }) => {
    const apiKey = await em.findOne(ApiKeyEntity, { id, projectId: reach.projectId })
    if (apiKey === null || !seesAllOf(reach, apiKey.sourceIds ?? null)) return notFound
    apiKey.revokedAt ??= new Date()
    return done(apiKey)
  })
}
