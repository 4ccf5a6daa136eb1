import type { Reach } from '../auth/viewer.ts'
import { type ConfigurationDeps, changeConfiguration } from '../db/configuration-epoch.ts'
import type { UnitOfWork } from '../db/transaction.ts'
import { CodedError } from '../kernel/coded-error.ts'
import { newId, type ProjectId } from '../kernel/ids.ts'
import { done, type Issue, invalid, type Outcome } from '../kernel/outcome.ts'
import { issue } from '../projects/input-checks.ts'
import { compileSchemas } from './compile-schemas.ts'
import { type EventType, EventTypeEntity } from './event-type.entity.ts'
import { type CheckedEntry, checkEntries, type EventTypeInput, entryPath } from './event-type-input.ts'

export interface RegisterEventTypesInput {
  /** 1 to 500, each name once. */
  readonly eventTypes: readonly EventTypeInput[]
}

export interface RegisteredEventTypes {
  /** As they now are, in the order given. */
  readonly eventTypes: EventType[]
  /** How many of them are new. */
  readonly createdCount: number
}

/** Processes keep the names of all in memory. */
const maxEventTypes = 10_000

/**
 * Creates the types that are new and replaces the others as a whole, by name: all or none.
 *
 * @throws CodedError FORBIDDEN when the caller is limited to some sources: a type holds for all of the project.
 */
export async function registerEventTypes(
  deps: ConfigurationDeps,
  reach: Reach,
  input: RegisterEventTypesInput,
): Promise<Outcome<RegisteredEventTypes>> {
  if (reach.sourceIds !== null) {
    throw new CodedError('FORBIDDEN', 'This key is limited to some sources and cannot change the event types of all.')
  }
  const { issues, entries } = checkEntries(input.eventTypes)
  // Compiled before the transaction, which others wait for.
  const failure = invalid(issues) ?? invalid(await checkSchemas(entries))
  if (failure !== null) return failure
  return await changeConfiguration(deps, reach.projectId, (unit) => save(unit, reach.projectId, entries))
}

async function checkSchemas(entries: readonly CheckedEntry[]): Promise<Issue[]> {
  const given = entries.flatMap(({ schema }, index) => (schema === null ? [] : [{ schema, index }]))
  const problems = await compileSchemas(given.map(({ schema }) => schema))
  return given.flatMap(({ index }, position) => {
    const problem = problems[position] ?? null
    return problem === null ? [] : [issue('MALFORMED', entryPath(index, 'schema'), problem)]
  })
}

async function save(
  { em }: UnitOfWork,
  projectId: ProjectId,
  entries: readonly CheckedEntry[],
): Promise<Outcome<RegisteredEventTypes>> {
  const names = entries.map(({ name }) => name)
  const stored = await em.find(EventTypeEntity, { projectId, name: { $in: names } })
  const createdCount = entries.length - stored.length
  const count = createdCount === 0 ? 0 : await em.count(EventTypeEntity, { projectId })
  if (count + createdCount > maxEventTypes) {
    return { kind: 'limit-reached', limit: maxEventTypes, path: ['input', 'eventTypes'] }
  }
  const byName = new Map(stored.map((type) => [type.name, type]))
  const createdAt = new Date()
  const eventTypes = entries.map((entry) => {
    const known = byName.get(entry.name)
    if (known !== undefined) return Object.assign(known, entry)
    const created = em.create(EventTypeEntity, { id: newId('typ'), projectId, createdAt, ...entry })
    em.persist(created)
    return created
  })
  return done({ eventTypes, createdCount })
}
