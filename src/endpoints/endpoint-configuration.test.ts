import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Configuration, doneValue, issuesOf, startConfiguration } from '../../test/support/configuration.ts'
import { until } from '../../test/support/until.ts'
import type { Reach } from '../auth/index.ts'
import type { EndpointId } from '../kernel/ids.ts'
import { createSource } from '../sources/index.ts'
import {
  type ActiveEndpoint,
  type CreateEndpointInput,
  createEndpoint,
  createEndpointDirectory,
  createEndpointStore,
  type Endpoint,
  updateEndpoint,
} from './index.ts'

const url = 'https://receiver.example/hooks'

let configuration: Configuration
let reach: Reach
beforeAll(async () => {
  configuration = await startConfiguration()
  reach = await configuration.newProject()
})
afterAll(async () => {
  await configuration.close()
})

type Input = Partial<CreateEndpointInput>

async function newEndpoint(input: Input = {}, of: Reach = reach): Promise<Endpoint> {
  return doneValue(await createEndpoint(configuration, of, { url, ...input })).endpoint
}

async function active(id: EndpointId): Promise<ActiveEndpoint> {
  const endpoint = await createEndpointDirectory(configuration).byId(id)
  if (endpoint === null) throw new Error('the endpoint is gone')
  return endpoint
}

const header = (name: string, value = 'x', isSecret = false) => ({ name, value, isSecret })
const policy = (given: object) => ({ retryPolicy: { jitterPercent: 20, finalStatuses: [], ...given } })
const exponential = { maxRetries: 5, initialDelayMs: 1000, multiplier: 2, maxDelayMs: 300_000 }

test('an endpoint of which nothing is said does what endpoints always did', async () => {
  expect(await active((await newEndpoint()).id)).toMatchObject({
    method: 'POST',
    payloadFormat: 'exact',
    headers: [],
    authentication: null,
    signing: 'standard-webhooks',
    otherSecrets: [],
    retryPolicy: {
      delaysMs: [5_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000, 50_400_000, 72_000_000, 86_400_000],
      jitterPercent: 20,
      finalStatuses: [],
    },
    timeoutMs: 15_000,
    rateLimit: null,
    maxConcurrency: null,
    isOrdered: false,
    disableAfterMs: 5 * 24 * 3_600_000,
  })
})

test('all that an endpoint was told reaches those who send', async () => {
  const { id } = await newEndpoint({
    method: 'PATCH',
    payloadFormat: 'cloudevents-binary',
    headers: [header('X-Shop', 'north'), header('X-Region', '', true)],
    authentication: { apiKey: { header: 'X-Api-Key', value: 'open sesame' } },
    ...policy({ backoff: { exponential }, jitterPercent: 0, finalStatuses: [400, 404, 400] }),
    timeoutMs: 60_000,
    rateLimit: { count: 10, windowMs: 1_000 },
    maxConcurrency: 1,
    isOrdered: true,
    disableAfterHours: null,
  })
  expect(await active(id)).toMatchObject({
    method: 'PATCH',
    payloadFormat: 'cloudevents-binary',
    headers: [
      ['X-Shop', 'north'],
      ['X-Region', ''],
    ],
    authentication: ['X-Api-Key', 'open sesame'],
    retryPolicy: { delaysMs: [1_000, 2_000, 4_000, 8_000, 16_000], jitterPercent: 0, finalStatuses: [400, 404] },
    timeoutMs: 60_000,
    rateLimit: { count: 10, windowMs: 1_000 },
    maxConcurrency: 1,
    isOrdered: true,
    disableAfterMs: null,
  })
})

test.each([
  [{ basic: { username: 'Aladdin', password: 'open sesame' } }, 'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=='],
  // RFC 7617, section 2.1.
  [{ basic: { username: 'test', password: '123£' } }, 'Basic dGVzdDoxMjPCow=='],
  [{ bearer: 'mF_9.B5f-4.1JqM' }, 'Bearer mF_9.B5f-4.1JqM'],
] as const)('the authentication %j is sent as %s', async (authentication, value) => {
  expect((await active((await newEndpoint({ authentication })).id)).authentication).toEqual(['Authorization', value])
})

test('waits that grow stop growing at the longest', async () => {
  const grown = policy({
    backoff: { exponential: { ...exponential, maxRetries: 10, multiplier: 2.5, maxDelayMs: 9_999 } },
  })
  const { delaysMs } = (await active((await newEndpoint(grown)).id)).retryPolicy
  expect(delaysMs).toEqual([1_000, 2_500, 6_250, 9_999, 9_999, 9_999, 9_999, 9_999, 9_999, 9_999])
})

const bad: [Input | object, ...issues: string[]][] = [
  [{ method: 'GET' }, 'OUT_OF_RANGE method'],
  [{ method: null }, 'REQUIRED method'],
  [{ payloadFormat: null }, 'REQUIRED payloadFormat'],
  [{ labels: Array(11).fill('a') }, 'OUT_OF_RANGE labels'],
  [{ labels: ['', 'a'.repeat(65)] }, 'REQUIRED labels.0', 'OUT_OF_RANGE labels.1'],
  [{ filter: {} }, 'MALFORMED filter'],
  [{ filter: { types: ['a'], not: { types: ['b'] } } }, 'MALFORMED filter'],
  [{ filter: { exact: { name: 'Subject', value: 'a' } } }, 'MALFORMED filter.exact.name'],
  [{ filter: { all: Array(10).fill({ exact: { name: 'a', value: 'b'.repeat(2_000) } }) } }, 'OUT_OF_RANGE filter'],
  [{ headers: null }, 'REQUIRED headers'],
  [{ headers: Array.from({ length: 51 }, (_, n) => header(`x-${n}`)) }, 'OUT_OF_RANGE headers'],
  [{ headers: [header('x-a', 'a'.repeat(8_193))] }, 'OUT_OF_RANGE headers.0.value'],
  [{ headers: [1, 2, 3].map((n) => header(`x-${n}`, 'a'.repeat(8_000))) }, 'OUT_OF_RANGE headers'],
  [{ headers: [header('X-A'), header('x-a')] }, 'MALFORMED headers.1.name'],
  [
    { headers: [header(''), header('a b'), header('a:')] },
    'REQUIRED headers.0.name',
    'MALFORMED headers.1.name',
    'MALFORMED headers.2.name',
  ],
  ...['a\r\nx-b: c', 'a\n', 'a\0', 'ä€'].map((value): [Input, string] => [
    { headers: [header('x-a', value)] },
    'MALFORMED headers.0.value',
  ]),
  [{ authentication: {} }, 'MALFORMED authentication'],
  [{ authentication: { bearer: 'a', basic: { username: 'a', password: 'b' } } }, 'MALFORMED authentication'],
  [
    { authentication: { basic: { username: 'a:b', password: '' } } },
    'MALFORMED authentication.basic.username',
    'REQUIRED authentication.basic.password',
  ],
  [
    { authentication: { basic: { username: '', password: 'a\n' } } },
    'REQUIRED authentication.basic.username',
    'MALFORMED authentication.basic.password',
  ],
  [
    { authentication: { basic: { username: 'a', password: 'p'.repeat(513) } } },
    'OUT_OF_RANGE authentication.basic.password',
  ],
  [{ authentication: { bearer: '' } }, 'REQUIRED authentication.bearer'],
  [{ authentication: { bearer: 'a b' } }, 'MALFORMED authentication.bearer'],
  [{ authentication: { bearer: 'a\r\nb' } }, 'MALFORMED authentication.bearer'],
  [{ authentication: { bearer: 'a'.repeat(4_097) } }, 'MALFORMED authentication.bearer'],
  [{ authentication: { apiKey: { header: 'host', value: 'a' } } }, 'MALFORMED authentication.apiKey.header'],
  [
    { authentication: { apiKey: { header: 'webhook-id', value: '' } } },
    'MALFORMED authentication.apiKey.header',
    'REQUIRED authentication.apiKey.value',
  ],
  [{ authentication: { bearer: 'a' }, headers: [header('authorization')] }, 'MALFORMED authentication'],
  [
    { authentication: { apiKey: { header: 'X-Key', value: 'a' } }, headers: [header('x-key')] },
    'MALFORMED authentication',
  ],
  [{ signing: 'standard-webhooks', secret: 'whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc=' }, 'MALFORMED secret'],
  [policy({ backoff: {} }), 'MALFORMED retryPolicy.backoff'],
  [policy({ backoff: { delaysMs: [], exponential } }), 'MALFORMED retryPolicy.backoff'],
  [policy({ backoff: { delaysMs: Array(51).fill(1) } }), 'OUT_OF_RANGE retryPolicy.backoff.delaysMs'],
  [
    policy({ backoff: { delaysMs: [0, -1, 86_400_001] } }),
    'OUT_OF_RANGE retryPolicy.backoff.delaysMs.1',
    'OUT_OF_RANGE retryPolicy.backoff.delaysMs.2',
  ],
  [
    policy({
      backoff: { exponential: { maxRetries: 51, initialDelayMs: -1, multiplier: 0.5, maxDelayMs: 86_400_001 } },
    }),
    ...['maxRetries', 'initialDelayMs', 'multiplier', 'maxDelayMs'].map(
      (name) => `OUT_OF_RANGE retryPolicy.backoff.exponential.${name}`,
    ),
  ],
  [
    policy({ backoff: { exponential: { ...exponential, multiplier: Number.NaN } } }),
    'OUT_OF_RANGE retryPolicy.backoff.exponential.multiplier',
  ],
  [
    policy({ jitterPercent: 51, finalStatuses: [299, 600] }),
    'OUT_OF_RANGE retryPolicy.jitterPercent',
    'OUT_OF_RANGE retryPolicy.finalStatuses.0',
    'OUT_OF_RANGE retryPolicy.finalStatuses.1',
  ],
  [policy({ finalStatuses: Array(51).fill(400) }), 'OUT_OF_RANGE retryPolicy.finalStatuses'],
  [{ timeoutMs: 999 }, 'OUT_OF_RANGE timeoutMs'],
  [{ timeoutMs: 60_001 }, 'OUT_OF_RANGE timeoutMs'],
  [{ timeoutMs: null }, 'REQUIRED timeoutMs'],
  [{ rateLimit: { count: 0, windowMs: 999 } }, 'OUT_OF_RANGE rateLimit.count', 'OUT_OF_RANGE rateLimit.windowMs'],
  [{ maxConcurrency: 0 }, 'OUT_OF_RANGE maxConcurrency'],
  [{ maxConcurrency: 1_001 }, 'OUT_OF_RANGE maxConcurrency'],
  [{ isOrdered: null }, 'REQUIRED isOrdered'],
  [{ disableAfterHours: 0 }, 'OUT_OF_RANGE disableAfterHours'],
  [{ disableAfterHours: 721 }, 'OUT_OF_RANGE disableAfterHours'],
]

test.each(bad)('%.120j is not accepted', async (input, ...issues) => {
  const expected = issues.map((text) => text.replace(' ', ' input.'))
  expect(issuesOf(await createEndpoint(configuration, reach, { url, ...input }))).toEqual(expected)
})

test.each([
  ...[
    'host',
    'Connection',
    'content-length',
    'Transfer-Encoding',
    'te',
    'trailer',
    'upgrade',
    'expect',
    'proxy-authorization',
  ],
  ...[
    'Webhook-Id',
    'webhook-anything',
    'X-Webhook-Signature',
    'hookline-delivery-id',
    'ce-type',
    'Content-Type',
    'content-encoding',
  ],
  ...['accept-encoding', 'User-Agent', 'date', 'keep-alive'],
])('the header %s cannot be added', async (name) => {
  expect(issuesOf(await createEndpoint(configuration, reach, { url, headers: [header(name)] }))).toEqual([
    'MALFORMED input.headers.0.name',
  ])
})

test('what is given in pieces is held against what is there', async () => {
  const { id } = await newEndpoint({ headers: [header('Authorization', 'Custom 1')] })
  const authentication = { bearer: 'token' }
  const change = (input: object) => updateEndpoint(configuration, reach, { id, ...input })
  expect(issuesOf(await change({ authentication }))).toEqual(['MALFORMED input.authentication'])
  doneValue(await change({ authentication, headers: [header('x-other')] }))
  expect(issuesOf(await change({ headers: [header('authorization')] }))).toEqual(['MALFORMED input.headers'])
  doneValue(await change({ authentication: null, headers: [header('authorization', 'Custom 2')] }))
  expect(await active(id)).toMatchObject({ authentication: null, headers: [['authorization', 'Custom 2']] })
})

test('a change replaces what it names and nothing else, and null goes back to nothing', async () => {
  const { id } = await newEndpoint({
    labels: ['a', 'b', 'a'],
    filter: { types: ['order.*'] },
    headers: [header('x-a', '1')],
    authentication: { bearer: 'token' },
    ...policy({ backoff: { delaysMs: [] } }),
    rateLimit: { count: 1, windowMs: 1_000 },
    maxConcurrency: 2,
    disableAfterHours: 1,
  })
  const before = await active(id)
  const changed = doneValue(await updateEndpoint(configuration, reach, { id, timeoutMs: 1_000 }))
  expect(changed).toMatchObject({ labels: ['a', 'b'], filter: '{"types":["order.*"]}', timeoutMs: 1_000 })
  const { secrets, otherSecrets, ...rest } = before
  expect(await active(id)).toMatchObject({ ...rest, timeoutMs: 1_000 })
  const nothing = { filter: null, authentication: null, rateLimit: null, maxConcurrency: null }
  doneValue(
    await updateEndpoint(configuration, reach, {
      id,
      ...nothing,
      retryPolicy: null,
      headers: [],
      labels: [],
      disableAfterHours: null,
    }),
  )
  const [stored] = await createEndpointStore(configuration.orm).byIds(reach, [id])
  expect(stored).toMatchObject({ ...nothing, retryDelaysMs: null, labels: [], headerNames: [], sealedHeaders: null })
  expect(await active(id)).toMatchObject({ authentication: null, headers: [], disableAfterMs: null, rateLimit: null })
  expect((await active(id)).retryPolicy.delaysMs).toHaveLength(9)
})

test('no credential rests in clear, and none opens in another row', async () => {
  const headers = [header('X-Plain', 'plain-value-1'), header('X-Secret', 'secret-value-2', true)]
  const { id } = await newEndpoint({
    headers,
    authentication: { basic: { username: 'ann', password: 'secret-value-3' } },
  })
  const read = (of: EndpointId) =>
    configuration.sql.query<{ row: string }>(`select e::text as row from endpoints as e where e.id = $1::text`, [of])
  const [stored] = await read(id)
  expect(stored?.row).toContain('ann')
  expect(stored?.row).not.toMatch(/value-\d/)
  const other = await newEndpoint()
  await configuration.sql.query(
    `update endpoints as e
        set sealed_headers = o.sealed_headers, header_names = o.header_names
       from endpoints as o
      where e.id = $1::text and o.id = $2::text`,
    [other.id, id],
  )
  await expect(active(other.id)).rejects.toMatchObject({ code: 'SEAL_BROKEN' })
})

test('a change made by another process reaches those who send here', async () => {
  const { id } = await newEndpoint()
  const directory = createEndpointDirectory(configuration)
  const timeout = async () => (await directory.byId(id))?.timeoutMs
  expect(await timeout()).toBe(15_000)
  const elsewhere = { ...configuration, ...(await configuration.secondProcess()) }
  doneValue(await updateEndpoint(elsewhere, reach, { id, timeoutMs: 2_000 }))
  await until(timeout, 2_000)
})

test('who sends asks the database once, and again only after a change', async () => {
  const { id } = await newEndpoint({ authentication: { bearer: 'token' } })
  // What was changed so far is not to be heard of in between.
  const [row] = await configuration.sql.query<{ epoch: number }>('select e.epoch from configuration_epoch as e')
  await until(() => configuration.epochs.current(), row?.epoch ?? 0)
  let statements = 0
  const sql: Configuration['sql'] = {
    query: (...args) => {
      statements += 1
      return configuration.sql.query(...args)
    },
  }
  const directory = createEndpointDirectory({ ...configuration, sql })
  const first = await directory.byId(id)
  expect(await directory.byId(id)).toBe(first)
  expect(statements).toBe(2)
  doneValue(await updateEndpoint(configuration, reach, { id, timeoutMs: 2_000 }))
  expect(await directory.byId(id)).toMatchObject({ timeoutMs: 2_000 })
})

test('endpoints are found by label, state and source, and only those that the caller sees', async () => {
  const own = await configuration.newProject()
  const stranger = await configuration.newProject()
  const source = doneValue(await createSource(configuration, own, { name: 'orders' }))
  const other = doneValue(await createSource(configuration, own, { name: 'other' }))
  const ofAll = await newEndpoint({ labels: ['a', 'b'] }, own)
  const ofSource = await newEndpoint({ labels: ['b'], sourceIds: [source.id] }, own)
  const paused = await newEndpoint({ labels: ['b'], sourceIds: [other.id] }, own)
  await configuration.sql.query(`update endpoint_states set status = 'paused' where endpoint_id = $1::text`, [
    paused.id,
  ])
  await newEndpoint({ labels: ['a'] }, stranger)

  const store = createEndpointStore(configuration.orm)
  const names = new Map([ofAll, ofSource, paused].map(({ id }, index) => [id, ['all', 'source', 'paused'][index]]))
  const found = async (filter: object, from: Reach = own) => {
    const page = await store.page(from, { first: 10, after: null, filter })
    expect(await store.count(from, filter)).toBe(page.rows.length)
    return page.rows.map(({ id }) => names.get(id)).join(' ')
  }
  expect(await found({})).toBe('paused source all')
  expect(await found({ label: 'a' })).toBe('all')
  expect(await found({ label: 'b', statuses: ['active', 'disabled'] })).toBe('source all')
  expect(await found({ statuses: ['paused'] })).toBe('paused')
  expect(await found({ statuses: [] })).toBe('')
  expect(await found({ sourceId: source.id })).toBe('source all')
  expect(await found({ sourceId: source.id, label: 'a' })).toBe('all')
  expect(await found({ sourceId: source.id }, { ...own, sourceIds: new Set([source.id]) })).toBe('source')
  expect(await found({ sourceId: other.id }, { ...own, sourceIds: new Set([source.id]) })).toBe('')
  expect(await found({ sourceId: source.id }, stranger)).toBe('')
  expect(await found({ sourceId: 'nonsense' })).toBe('')
  expect(await found({ sourceId: '' })).toBe('')
  expect(await found({ label: '' })).toBe('')
})
