import {
  type ApiKey,
  ApiKeyEntity,
  createApiKey,
  createApiKeyStore,
  revokeApiKey,
  type Scope,
  wholeProject,
} from './auth/index.ts'
import type { ConfigurationDeps } from './db/configuration-epoch.ts'
import { registerMasterKeys } from './db/master-keys.ts'
import type { Sql } from './db/sql.ts'
import { createEventTypeStore, type EventType, type EventTypeInput, registerEventTypes } from './event-types/index.ts'
import { done, type Outcome, type UserFailure } from './kernel/outcome.ts'
import { findProject, type Page, type Project } from './projects/index.ts'
import { createSealer, type MasterKey } from './secrets/index.ts'
import { type RewrapReport, rewrap } from './secrets/rewrap.ts'
import { countSealedValues } from './secrets/sealed-values.ts'
import { createProject, createSourceStore } from './sources/index.ts'

/** What an operator does beside the running gateway. Projects and sources are given by name. */
export interface Toolbox {
  /** Brings the database to this version. Several at a time wait for each other. */
  migrate(): Promise<void>
  createProject(name: string): Promise<Outcome<{ readonly id: string }>>
  createApiKey(input: NewApiKey): Promise<Outcome<{ readonly id: string; readonly token: string }>>
  /** The latest 100, revoked ones included. */
  listApiKeys(project: string): Promise<Outcome<readonly ListedApiKey[]>>
  /** Ends a key, whatever project it belongs to. Revoking twice is no failure. */
  revokeApiKey(id: string): Promise<Outcome<unknown>>
  /** Creates and replaces event types by name: all or none. At most 500. */
  registerEventTypes(
    project: string,
    eventTypes: readonly EventTypeInput[],
  ): Promise<Outcome<{ readonly created: number; readonly updated: number }>>
  /** A page by name, of at most 100; `after` is the last name of the page before. */
  listEventTypes(project: string, after: string | null): Promise<Outcome<Page<ListedEventType>>>
  /** How many sealed values there are under each master key. */
  countSealedValues(): Promise<readonly SealedCount[]>
  /**
   * Seals again, under the first master key, what rests under others.
   *
   * @throws CodedError when a master key is missing or wrong.
   */
  rewrapSecrets(): Promise<RewrapReport>
  close(): Promise<void>
}

export interface SealedCount {
  readonly keyId: string
  readonly count: number
  /** The first given key, another one, or one that was not given. */
  readonly key: 'current' | 'former' | 'missing'
}

export interface NewApiKey {
  readonly project: string
  readonly name: string
  readonly scopes: readonly Scope[]
  /** null: all of the project, also later ones. */
  readonly sources: readonly string[] | null
  /** null: never. */
  readonly expiresAt: Date | null
}

export type ListedApiKey = Pick<ApiKey, 'id' | 'name' | 'scopes' | 'createdAt'> & {
  readonly expiresAt?: Date | null | undefined
  readonly revokedAt?: Date | null | undefined
}

export type ListedEventType = Pick<EventType, 'name' | 'onViolation' | 'isDeprecated'> & {
  readonly description?: string | null | undefined
  readonly schema?: string | null | undefined
}

export interface ToolboxDeps extends ConfigurationDeps {
  readonly sql: Sql
  readonly loadMasterKeys: () => Promise<readonly MasterKey[]>
}

/** What an operator does by commands. Running gateways learn of it by polling the configuration's epoch. */
export function createToolbox(deps: ToolboxDeps): Omit<Toolbox, 'close' | 'migrate'> {
  return {
    countSealedValues: () => countByKey(deps),
    async rewrapSecrets() {
      const masterKeys = await deps.loadMasterKeys()
      await registerMasterKeys(deps.sql, masterKeys)
      return await rewrap(deps.sql, createSealer(masterKeys))
    },
    createProject: (name) => createProject(deps, { name }),
    createApiKey: (input) => inProject(deps, input.project, (project) => createKey(deps, project, input)),
    listApiKeys: (name) =>
      inProject(deps, name, async ({ id }) => {
        const page = await createApiKeyStore(deps.orm).page(id, { first: 100, after: null })
        return done(page.rows)
      }),
    revokeApiKey: (id) => revokeKey(deps, id),
    registerEventTypes: (name, eventTypes) =>
      inProject(deps, name, async ({ id }) => {
        const outcome = await registerEventTypes(deps, wholeProject(id), { eventTypes })
        if (outcome.kind !== 'done') return outcome
        const { createdCount } = outcome.value
        return done({ created: createdCount, updated: eventTypes.length - createdCount })
      }),
    listEventTypes: (name, after) =>
      inProject(deps, name, async ({ id }) =>
        done(await createEventTypeStore(deps.orm).page(id, { prefix: null, first: 100, after })),
      ),
  }
}

async function countByKey({ sql, loadMasterKeys }: ToolboxDeps): Promise<SealedCount[]> {
  const [current, ...former] = (await loadMasterKeys()).map(({ id }) => id)
  const kindOf = (id: string) => (former.includes(id) ? 'former' : 'missing')
  const counts = [...(await countSealedValues(sql))]
  return counts.map(([keyId, count]) => ({ keyId, count, key: keyId === current ? 'current' : kindOf(keyId) }))
}

async function inProject<Value>(
  deps: ConfigurationDeps,
  name: string,
  work: (project: Project) => Promise<Outcome<Value>>,
): Promise<Outcome<Value>> {
  const project = await findProject(deps, { name })
  return project === null ? notFound(name, 'project') : await work(project)
}

async function createKey(
  deps: ConfigurationDeps,
  project: Project,
  { name, scopes, sources, expiresAt }: NewApiKey,
): Promise<Outcome<{ id: string; token: string }>> {
  const reach = wholeProject(project.id)
  const store = createSourceStore(deps.orm)
  const sourceIds: string[] = []
  for (const sourceName of sources ?? []) {
    const source = await store.byName(reach, sourceName)
    if (source === null) return notFound(sourceName, 'sources')
    sourceIds.push(source.id)
  }
  const created = await createApiKey(deps, reach, {
    name,
    scopes,
    sourceIds: sources === null ? null : sourceIds,
    expiresAt,
  })
  return created.kind === 'done' ? done({ id: created.value.apiKey.id, token: created.value.token }) : created
}

async function revokeKey(deps: ConfigurationDeps, id: string): Promise<Outcome<ApiKey>> {
  const key = await deps.orm.em.fork().findOne(ApiKeyEntity, { id: id as ApiKey['id'] })
  return key === null ? notFound(id, 'id') : await revokeApiKey(deps, wholeProject(key.projectId), { id })
}

function notFound(id: string, field: string): UserFailure {
  return { kind: 'not-found', id, path: [field] }
}
