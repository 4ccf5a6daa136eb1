import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Configuration, doneValue, issuesOf, startConfiguration } from '../../test/support/configuration.ts'
import { until } from '../../test/support/until.ts'
import type { Reach } from '../auth/index.ts'
import { newId } from '../kernel/ids.ts'
import { createLog } from '../kernel/log.ts'
import {
  createEventSchemas,
  createEventTypeStore,
  type EventSchemas,
  type EventTypeInput,
  registerEventTypes,
} from './index.ts'

let configuration: Configuration
let schemas: EventSchemas
const log = createLog({ level: 'silent', isPretty: false })
beforeAll(async () => {
  configuration = await startConfiguration()
  schemas = createEventSchemas({ ...configuration, log })
})
afterAll(async () => {
  await schemas.close()
  await configuration.close()
})

async function register(reach: Reach, ...eventTypes: EventTypeInput[]) {
  return await registerEventTypes(configuration, reach, { eventTypes })
}

async function newProject(...eventTypes: EventTypeInput[]): Promise<Reach> {
  const reach = await configuration.newProject()
  if (eventTypes.length > 0) doneValue(await register(reach, ...eventTypes))
  return reach
}

async function check({ projectId }: Reach, type: string, data: unknown, by = schemas) {
  return await by.check(projectId, type, Buffer.from(typeof data === 'string' ? data : JSON.stringify(data)))
}

async function namesOf({ projectId }: Reach): Promise<string[]> {
  const page = await createEventTypeStore(configuration.orm).page(projectId, { prefix: null, first: 100, after: null })
  return page.rows.map(({ name }) => name)
}

const priced = { type: 'object', properties: { price: { type: 'number' } } }
const fits = { kind: 'fits' }

test('types are created and replaced as a whole, in the order given', async () => {
  const reach = await newProject()
  const first = doneValue(
    await register(reach, { name: 'order.created', description: 'A new order.', schema: priced }, { name: 'a_1.B' }),
  )
  expect(first.createdCount).toBe(2)
  expect(first.eventTypes).toMatchObject([
    { name: 'order.created', description: 'A new order.', onViolation: 'FLAG', isDeprecated: false },
    { name: 'a_1.B', description: null, schema: null },
  ])
  const second = doneValue(
    await register(reach, { name: 'order.paid' }, { name: 'order.created', isDeprecated: true, onViolation: 'REFUSE' }),
  )
  expect(second.createdCount).toBe(1)
  const [, replaced] = second.eventTypes
  const { id, createdAt } = first.eventTypes[0] ?? {}
  expect(replaced).toMatchObject({ id, createdAt, description: null, schema: null, onViolation: 'REFUSE' })
  expect(replaced?.isDeprecated).toBe(true)
  expect(await namesOf(reach)).toEqual(['a_1.B', 'order.created', 'order.paid'])
})

test('every issue of every entry is told, and nothing is registered', async () => {
  const reach = await newProject()
  const deep = (levels: number): unknown => (levels === 0 ? {} : { not: deep(levels - 1) })
  const outcome = await register(
    reach,
    { name: 'order.created' },
    { name: '' },
    { name: 'order-created' },
    { name: 'order..created' },
    { name: 'a'.repeat(129) },
    { name: 'order.created', description: 'a'.repeat(501) },
    { name: 'a.list', schema: [] },
    { name: 'a.text', schema: '{}' },
    { name: 'a.large', schema: { const: 'a'.repeat(65_536) } },
    { name: 'a.deep', schema: deep(1_000) },
    { name: 'a.old', schema: { $schema: 'http://json-schema.org/draft-07/schema#' } },
  )
  expect(issuesOf(outcome)).toEqual([
    'REQUIRED input.eventTypes.1.name',
    'MALFORMED input.eventTypes.2.name',
    'MALFORMED input.eventTypes.3.name',
    'OUT_OF_RANGE input.eventTypes.4.name',
    'OUT_OF_RANGE input.eventTypes.5.description',
    'MALFORMED input.eventTypes.6.schema',
    'MALFORMED input.eventTypes.7.schema',
    'OUT_OF_RANGE input.eventTypes.8.schema',
    'OUT_OF_RANGE input.eventTypes.9.schema',
    'MALFORMED input.eventTypes.10.schema',
    'NAME_TAKEN input.eventTypes.5.name',
  ])
  expect(await namesOf(reach)).toEqual([])
})

test('schemas that do not compile are named, and nothing is registered', async () => {
  const reach = await newProject()
  const remote = { $ref: 'https://example.com/schema.json' }
  const outcome = await register(
    reach,
    { name: 'a.good', schema: priced },
    { name: 'a.none' },
    { name: 'a.remote', schema: remote },
    { name: 'a.bad', schema: { type: 'objct' } },
  )
  expect(issuesOf(outcome)).toEqual(['MALFORMED input.eventTypes.2.schema', 'MALFORMED input.eventTypes.3.schema'])
  expect(await namesOf(reach)).toEqual([])
})

test.each([
  [0, 'REQUIRED input.eventTypes'],
  [501, 'OUT_OF_RANGE input.eventTypes'],
])('%i entries at once are refused', async (count, issue) => {
  const entries = Array.from({ length: count }, (_, index) => ({ name: `a.${index}` }))
  expect(issuesOf(await register(await newProject(), ...entries))).toEqual([issue])
})

test('a project has at most 10,000 types; known ones can be changed all the same', async () => {
  const reach = await newProject()
  await configuration.sql.query(
    `insert into event_types (id, project_id, name, on_violation, is_deprecated, created_at)
     select 'typ_' || $1::text || n, $1::text, 'a.' || n, 'FLAG', false, now() from generate_series(1, 9999) as n`,
    [reach.projectId],
  )
  const limit = { kind: 'limit-reached', limit: 10_000, path: ['input', 'eventTypes'] }
  expect(await register(reach, { name: 'b.1' }, { name: 'a.1' }, { name: 'b.2' })).toEqual(limit)
  expect(doneValue(await register(reach, { name: 'b.1' }, { name: 'a.1' })).createdCount).toBe(1)
  expect(doneValue(await register(reach, { name: 'a.2', isDeprecated: true })).createdCount).toBe(0)
  expect(await register(reach, { name: 'b.2' })).toEqual(limit)
})

test('two who register the same names at once both succeed, and each name exists once', async () => {
  const reach = await newProject()
  const second = await configuration.secondProcess()
  const entries = (from: string) => Array.from({ length: 50 }, (_, n) => ({ name: `a.${n}`, description: from }))
  const outcomes = await Promise.all([
    registerEventTypes(configuration, reach, { eventTypes: entries('first') }),
    registerEventTypes(second, reach, { eventTypes: entries('second').reverse() }),
  ])
  expect(outcomes.map((outcome) => doneValue(outcome).createdCount).sort()).toEqual([0, 50])
  expect(await namesOf(reach)).toHaveLength(50)
})

test('a key that is limited to some sources changes no types', async () => {
  const { projectId } = await newProject()
  const limited = { projectId, sourceIds: new Set([newId('src')]) }
  await expect(register(limited, { name: 'order.created' })).rejects.toMatchObject({ code: 'FORBIDDEN' })
  expect(await namesOf(limited)).toEqual([])
})

test('types are paged by name, all or those that begin with a prefix', async () => {
  const reach = await newProject(...['b.x', 'a_c.x', 'a.y', 'a.x', 'a.z', 'abc.x'].map((name) => ({ name })))
  await newProject({ name: 'a.foreign' })
  const store = createEventTypeStore(configuration.orm)
  const page = async (prefix: string | null, first: number, after: string | null) => {
    const { rows, hasMore } = await store.page(reach.projectId, { prefix, first, after })
    return [...rows.map(({ name }) => name), hasMore]
  }
  expect(await page('a.', 2, null)).toEqual(['a.x', 'a.y', true])
  expect(await page('a.', 2, 'a.y')).toEqual(['a.z', false])
  expect(await page('a_', 10, null)).toEqual(['a_c.x', false])
  expect(await page('%', 10, null)).toEqual([false])
  expect(await store.count(reach.projectId, 'a.')).toBe(3)
  expect(await store.count(reach.projectId, null)).toBe(6)
})

test('types of another project are unknown', async () => {
  const reach = await newProject()
  const other = await newProject({ name: 'order.created', schema: false })
  const store = createEventTypeStore(configuration.orm)
  const { rows } = await store.page(other.projectId, { prefix: null, first: 1, after: null })
  const ids = rows.map(({ id }) => id)
  expect(await store.byIds(other.projectId, ids)).toHaveLength(1)
  expect(await store.byIds(reach.projectId, ids)).toEqual([])
  expect(await check(reach, 'order.created', {})).toEqual(fits)
})

test('an event that breaks its schema is refused or flagged as its type says', async () => {
  const reach = await newProject(
    { name: 'order.created', schema: priced, onViolation: 'REFUSE' },
    { name: 'order.paid', schema: priced },
    { name: 'order.any' },
  )
  expect(await schemas.hasAny(reach.projectId)).toBe(true)
  const detail = '/price must be number'
  expect(await check(reach, 'order.created', { price: 1 })).toEqual(fits)
  expect(await check(reach, 'order.created', { price: '1' })).toEqual({ kind: 'violates', policy: 'REFUSE', detail })
  expect(await check(reach, 'order.paid', { price: '1' })).toEqual({ kind: 'violates', policy: 'FLAG', detail })
  expect(await check(reach, 'order.paid', 'no JSON')).toMatchObject({ detail: 'the data is not JSON' })
  expect(await check(reach, 'order.any', 'no JSON')).toEqual(fits)
  expect(await check(reach, 'order.unknown', 'no JSON')).toEqual(fits)
})

test('a project without schemas is known to have none', async () => {
  const reach = await newProject({ name: 'order.created' })
  expect(await schemas.hasAny(reach.projectId)).toBe(false)
})

test('the data of an event is part of a larger buffer, and stays as it is', async () => {
  const reach = await newProject({ name: 'order.created', schema: priced })
  const batch = Buffer.from('[{"price":1},{"price":"1"}]')
  const verdicts = await Promise.all([
    schemas.check(reach.projectId, 'order.created', batch.subarray(1, 12)),
    schemas.check(reach.projectId, 'order.created', batch.subarray(13, 26)),
  ])
  expect(verdicts).toMatchObject([fits, { detail: '/price must be number' }])
  expect(batch.toString()).toBe('[{"price":1},{"price":"1"}]')
})

test('a changed schema holds at once here, and within a second in other processes', async () => {
  const reach = await newProject({ name: 'order.created', schema: priced })
  const second = await configuration.secondProcess()
  const elsewhere = createEventSchemas({ ...second, log })
  try {
    const event = { price: '1' }
    expect(await check(reach, 'order.created', event)).toMatchObject({ kind: 'violates' })
    expect(await check(reach, 'order.created', event, elsewhere)).toMatchObject({ kind: 'violates' })
    doneValue(await register(reach, { name: 'order.created', schema: { required: ['id'] } }))
    const detail = "the data must have required property 'id'"
    expect(await check(reach, 'order.created', event)).toMatchObject({ detail })
    await until(() => check(reach, 'order.created', event, elsewhere), { kind: 'violates', policy: 'FLAG', detail })
    doneValue(await register(reach, { name: 'order.created', isDeprecated: true }))
    expect(await check(reach, 'order.created', event)).toEqual(fits)
    await until(() => elsewhere.hasAny(reach.projectId), false)
  } finally {
    await elsewhere.close()
  }
})

test('a pattern that backtracks for ever turns away the event that it meets, and no other', async () => {
  const name = 'order.created'
  const reach = await newProject(
    { name, schema: { pattern: '^(a+)+$' }, onViolation: 'REFUSE' },
    { name: 'order.paid', schema: priced },
  )
  const beside = await newProject({ name, schema: priced })
  const poison = `${'a'.repeat(60)}!`
  const beganMs = performance.now()
  const [poisoned, same, sibling, ...others] = await Promise.all([
    check(reach, name, JSON.stringify(poison)),
    check(reach, name, JSON.stringify('aaaa')),
    check(reach, 'order.paid', { price: 1 }),
    ...Array.from({ length: 100 }, () => check(beside, name, { price: 1 })),
  ])
  expect(poisoned).toEqual({
    kind: 'violates',
    policy: 'REFUSE',
    detail: 'the check against the schema took too long',
  })
  expect([same, sibling, ...others]).toEqual(Array.from({ length: 102 }, () => fits))
  expect(performance.now() - beganMs).toBeLessThan(10_000)
})

test('while one project is slow, another waits for its first slow check at most', async () => {
  const name = 'order.created'
  const slow = await newProject({ name, schema: { pattern: '^(a+)+$' } })
  const beside = await newProject({ name, schema: priced })
  const poison = JSON.stringify(`${'a'.repeat(60)}!`)
  let isOver = false
  const poisoned = Promise.all([1, 2, 3, 4].map(() => check(slow, name, poison))).then((verdicts) => {
    isOver = true
    return verdicts
  })
  expect(await check(beside, name, { price: 1 })).toEqual(fits)
  expect(await check(beside, name, { price: 1 })).toEqual(fits)
  expect(isOver).toBe(false)
  expect(await poisoned).toMatchObject(Array.from({ length: 4 }, () => ({ detail: expect.stringMatching(/too long/) })))
})

test('when nothing more is checked, what refuses violations is asked for again later and what flags them passes', async () => {
  const reach = await newProject(
    { name: 'order.created', schema: priced, onViolation: 'REFUSE' },
    { name: 'order.paid', schema: priced },
  )
  const closed = createEventSchemas({ ...configuration, log })
  await closed.close()
  await expect(check(reach, 'order.created', {}, closed)).rejects.toMatchObject({ code: 'OVERLOADED' })
  expect(await check(reach, 'order.paid', {}, closed)).toMatchObject({
    policy: 'FLAG',
    detail: expect.stringMatching(/^not checked/),
  })
})
