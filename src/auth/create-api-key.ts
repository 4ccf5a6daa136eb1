import { type ConfigurationDeps, changeConfiguration } from '../db/configuration-epoch.ts'
import type { UnitOfWork } from '../db/transaction.ts'
import { newId } from '../kernel/ids.ts'
import { done, type Issue, invalid, type Outcome } from '../kernel/outcome.ts'
import { checkText, issue } from '../projects/input-checks.ts'
import { type ApiKey, ApiKeyEntity } from './api-key.entity.ts'
import { newToken } from './api-key-token.ts'
import { checkEnd } from './key-end.ts'
import { type Scope, scopes } from './scopes.ts'
import { checkSourceIds, keptSourceIds } from './source-limit.ts'
import type { Reach } from './viewer.ts'

export interface CreateApiKeyInput {
  /** 1 to 100 characters. */
  readonly name: string
  /** One or more. */
  readonly scopes: readonly Scope[]
  /** At most 100; null is all of the project, also later ones. */
  readonly sourceIds?: readonly string[] | null | undefined
  /** In the future; null is never. */
  readonly expiresAt?: Date | null | undefined
}

export interface CreatedApiKey {
  readonly apiKey: ApiKey
  /** What clients send. Told this once: only its hash is stored. */
  readonly token: string
}

/** A key per client is plenty below it, and one page of a hundred at a time still finds its way through the list. */
const maxActiveKeys = 1_000

/** Creates a key. Who is limited to some sources can only create keys that are limited to some of these. */
export async function createApiKey(
  deps: ConfigurationDeps,
  reach: Reach,
  input: CreateApiKeyInput,
): Promise<Outcome<CreatedApiKey>> {
  return await changeConfiguration(deps, reach.projectId, async (unit) => {
    const failure = invalid([...checkInput(input), ...(await checkSourceIds(unit.sql, reach, input.sourceIds))])
    if (failure !== null) return failure
    const active = await unit.em.count(ApiKeyEntity, { projectId: reach.projectId, revokedAt: null })
    if (active >= maxActiveKeys) return { kind: 'limit-reached', limit: maxActiveKeys, path: ['input'] }
    return done(insertKey(unit, reach, input))
  })
}

function checkInput(input: CreateApiKeyInput): Issue[] {
  const issues = checkText(input.name, ['input', 'name'], { min: 1, max: 100 })
  if (input.scopes.length === 0) issues.push(issue('REQUIRED', ['input', 'scopes'], 'A key needs a scope.'))
  for (const [position, scope] of input.scopes.entries()) {
    if (scopes.includes(scope)) continue
    issues.push(issue('MALFORMED', ['input', 'scopes', `${position}`], 'There is no such scope.'))
  }
  return [...issues, ...checkEnd(input.expiresAt)]
}

function insertKey({ em }: UnitOfWork, reach: Reach, input: CreateApiKeyInput): CreatedApiKey {
  const id = newId('key')
  const { token, secretHash } = newToken(id)
  const apiKey = em.create(ApiKeyEntity, {
    id,
    projectId: reach.projectId,
    name: input.name,
    secretHash,
    scopes: [...new Set(input.scopes)],
    sourceIds: keptSourceIds(input.sourceIds),
    createdAt: new Date(),
    expiresAt: input.expiresAt ?? null,
    revokedAt: null,
  })
  em.persist(apiKey)
  return { apiKey, token }
}
