import { type ConfigurationDeps, changeConfiguration } from '../db/configuration-epoch.ts'
import { isId } from '../kernel/ids.ts'
import { done, type Issue, invalid, type Outcome } from '../kernel/outcome.ts'
import { checkText } from '../projects/input-checks.ts'
import { type ApiKey, ApiKeyEntity } from './api-key.entity.ts'
import { checkEnd } from './key-end.ts'
import { checkSourceIds, keptSourceIds } from './source-limit.ts'
import { type Reach, seesAllOf } from './viewer.ts'

/** What is undefined stays as it is. */
export interface UpdateApiKeyInput {
  readonly id: string
  /** 1 to 100 characters. */
  readonly name?: string | null | undefined
  /** At most 100; null is all of the project, also later ones. */
  readonly sourceIds?: readonly string[] | null | undefined
  /** In the future; null is never. */
  readonly expiresAt?: Date | null | undefined
}

/**
 * Changes a key; streams that lose a right by it end within a second. Who is limited to some sources can only change keys
 * that are limited to some of these. A revoked key stays revoked.
 */
export async function updateApiKey(
  deps: ConfigurationDeps,
  reach: Reach,
  input: UpdateApiKeyInput,
): Promise<Outcome<ApiKey>> {
  const { id } = input
  const notFound = { kind: 'not-found', id, path: ['input', 'id'] } as const
  if (!isId('key', id)) return notFound
  return await changeConfiguration(deps, reach.projectId, async ({ em, sql }) => {
    const apiKey = await em.findOne(ApiKeyEntity, { id, projectId: reach.projectId })
    if (apiKey === null || !seesAllOf(reach, apiKey.sourceIds ?? null)) return notFound
    const sourceIssues = input.sourceIds === undefined ? [] : await checkSourceIds(sql, reach, input.sourceIds)
    const failure = invalid([...checkName(input.name), ...sourceIssues, ...checkEnd(input.expiresAt)])
    if (failure !== null) return failure
    apiKey.name = input.name ?? apiKey.name
    if (input.sourceIds !== undefined) apiKey.sourceIds = keptSourceIds(input.sourceIds)
    if (input.expiresAt !== undefined) apiKey.expiresAt = input.expiresAt
    return done(apiKey)
  })
}

function checkName(name: string | null | undefined): Issue[] {
  return name === null || name === undefined ? [] : checkText(name, ['input', 'name'], { min: 1, max: 100 })
}
