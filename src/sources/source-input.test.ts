import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Configuration, doneValue, issuesOf, startConfiguration } from '../../test/support/configuration.ts'
import type { Reach } from '../auth/index.ts'
import { createSource, createSourceDirectory, createSourceStore, type Source, updateSource } from './index.ts'
import type { SourceInput } from './source-input.ts'

let configuration: Configuration
let reach: Reach
let source: Source
beforeAll(async () => {
  configuration = await startConfiguration()
  reach = await configuration.newProject()
  source = doneValue(await createSource(configuration, reach, { name: 'bounds' }))
})
afterAll(async () => {
  await configuration.close()
})

const signature = {
  secret: 'a shared secret',
  algorithm: 'HMAC_SHA256',
  content: '{body}',
  header: 'X-Signature',
  encoding: 'HEX',
  toleranceMs: 300_000,
} as const
type Fields = Omit<SourceInput, 'name'>

const response = { status: 200, headers: [], body: '' }

function responseWith(name: string, value = 'value'): Fields {
  return { acceptedResponse: { ...response, headers: [{ name, value, isSecret: false }] } }
}

function preset(name: 'GITHUB' | 'META', verifyToken?: string): Fields {
  return { verification: { preset: { preset: name, secret: 'secret', verifyToken } } }
}

const refused: [why: string, input: Fields, issue: string][] = [
  ['no method', { allowedMethods: [] }, 'REQUIRED allowedMethods'],
  ['a name for a network', { allowedNetworks: ['10.0.0.0/8', 'office'] }, 'MALFORMED allowedNetworks.1'],
  ['101 networks', { allowedNetworks: Array(101).fill('10.0.0.1') }, 'OUT_OF_RANGE allowedNetworks'],
  ['a window below 0', { duplicateWindowMs: -1 }, 'OUT_OF_RANGE duplicateWindowMs'],
  ['a window over 7 days', { duplicateWindowMs: 604_800_001 }, 'OUT_OF_RANGE duplicateWindowMs'],
  ['a rate of 0', { rateLimit: { count: 0, windowMs: 1000 } }, 'OUT_OF_RANGE rateLimit.count'],
  ['a rate in 999 ms', { rateLimit: { count: 1, windowMs: 999 } }, 'OUT_OF_RANGE rateLimit.windowMs'],
  ['retention of nothing', { retention: { maxMessages: 0 } }, 'OUT_OF_RANGE retention.maxMessages'],
  ['a header with a space', { mapping: { type: { header: 'X Type' } } }, 'MALFORMED mapping.type.header'],
  ['a pointer without slash', { mapping: { id: { pointer: 'id' } } }, 'MALFORMED mapping.id.pointer'],
  ['a pointer with a lone ~', { mapping: { id: { pointer: '/a~2' } } }, 'MALFORMED mapping.id.pointer'],
  ['a long pointer', { mapping: { id: { pointer: `/${'a'.repeat(512)}` } } }, 'OUT_OF_RANGE mapping.id.pointer'],
  ['an empty constant', { mapping: { type: { constant: '' } } }, 'REQUIRED mapping.type.constant'],
  ['a long constant', { mapping: { type: { constant: 'a'.repeat(257) } } }, 'OUT_OF_RANGE mapping.type.constant'],
  ['one id for all', { mapping: { id: { constant: 'same' } } }, 'MALFORMED mapping.id.constant'],
  ['an answer 300', { acceptedResponse: { ...response, status: 300 } }, 'OUT_OF_RANGE acceptedResponse.status'],
  ['an answer 199', { acceptedResponse: { ...response, status: 199 } }, 'OUT_OF_RANGE acceptedResponse.status'],
  ['204 with a body', { acceptedResponse: { ...response, status: 204, body: 'x' } }, 'MALFORMED acceptedResponse.body'],
  ['205 with a body', { acceptedResponse: { ...response, status: 205, body: 'x' } }, 'MALFORMED acceptedResponse.body'],
  ['a long body', { acceptedResponse: { ...response, body: 'x'.repeat(8_193) } }, 'OUT_OF_RANGE acceptedResponse.body'],
  [
    '21 header fields',
    { acceptedResponse: { ...response, headers: Array(21).fill({ name: 'x', value: '', isSecret: false }) } },
    'OUT_OF_RANGE acceptedResponse.headers',
  ],
  ...[
    'Host',
    'connection',
    'Content-Length',
    'transfer-encoding',
    'TE',
    'trailer',
    'upgrade',
    'keep-alive',
    'date',
  ].map((name): [string, Fields, string] => [
    `the header ${name}`,
    responseWith(name),
    'MALFORMED acceptedResponse.headers.0.name',
  ]),
  ['a header webhook-id', responseWith('Webhook-Id'), 'MALFORMED acceptedResponse.headers.0.name'],
  ['a header without name', responseWith(''), 'REQUIRED acceptedResponse.headers.0.name'],
  ['a header name of two lines', responseWith('a\r\nb'), 'MALFORMED acceptedResponse.headers.0.name'],
  ['a value of two lines', responseWith('a', 'b\nc'), 'MALFORMED acceptedResponse.headers.0.value'],
  ['a value beyond Latin-1', responseWith('a', '€'), 'MALFORMED acceptedResponse.headers.0.value'],
  ['a long value', responseWith('a', 'b'.repeat(8_193)), 'OUT_OF_RANGE acceptedResponse.headers.0.value'],
  ['META without its token', preset('META'), 'REQUIRED verification.preset.verifyToken'],
  ['an empty verify token', preset('META', ''), 'REQUIRED verification.preset.verifyToken'],
  ['a verify token for GITHUB', preset('GITHUB', 'token'), 'MALFORMED verification.preset.verifyToken'],
  [
    'a public key that is none',
    { verification: { preset: { preset: 'DISCORD', secret: 'no key' } } },
    'MALFORMED verification.preset.secret',
  ],
  [
    'a template without body',
    { verification: { signature: { ...signature, content: '{id}', idHeader: 'x' } } },
    'MALFORMED verification.signature.content',
  ],
  [
    'a tolerance of 999 ms',
    { verification: { signature: { ...signature, toleranceMs: 999 } } },
    'OUT_OF_RANGE verification.signature.toleranceMs',
  ],
  [
    'a lone surrogate in a prefix',
    { verification: { signature: { ...signature, prefix: '\ud800' } } },
    'MALFORMED verification.signature.prefix',
  ],
  [
    'a key in the header Host',
    { verification: { apiKey: { header: 'Host', value: 'k' } } },
    'MALFORMED verification.apiKey.header',
  ],
  ['an empty key', { verification: { apiKey: { header: 'X-Key', value: '' } } }, 'REQUIRED verification.apiKey.value'],
  ['a bearer token of 15', { verification: { bearer: 'a'.repeat(15) } }, 'OUT_OF_RANGE verification.bearer'],
  ['a bearer token of 513', { verification: { bearer: 'a'.repeat(513) } }, 'OUT_OF_RANGE verification.bearer'],
  [
    'a colon in a user name',
    { verification: { basic: { username: 'a:b', password: 'p' } } },
    'MALFORMED verification.basic.username',
  ],
  [
    'an empty password',
    { verification: { basic: { username: 'a', password: '' } } },
    'REQUIRED verification.basic.password',
  ],
  ['pausing by null', { isPaused: null }, 'REQUIRED isPaused'],
  ['methods null', { allowedMethods: null }, 'REQUIRED allowedMethods'],
  ['networks null', { allowedNetworks: null }, 'REQUIRED allowedNetworks'],
  ['requiresJson null', { requiresJson: null }, 'REQUIRED requiresJson'],
  ['a window null', { duplicateWindowMs: null }, 'REQUIRED duplicateWindowMs'],
]

test.each(refused)('%s is refused, by name', async (_why, input, expected) => {
  const issue = expected.replace(' ', ' input.')
  expect(issuesOf(await createSource(configuration, reach, { name: 'new', ...input }))).toEqual([issue])
  expect(issuesOf(await updateSource(configuration, reach, { id: source.id, ...input }))).toEqual([issue])
})

test('all that is wrong in all fields is told at once', async () => {
  const wrong = {
    name: 'Not a name',
    verification: { preset: { preset: 'META', secret: '' } },
    allowedMethods: [],
    allowedNetworks: ['x', '10.0.0.1', 'y'],
    mapping: { id: { header: '' }, subject: { pointer: 'x' } },
    rateLimit: { count: 0, windowMs: 0 },
    acceptedResponse: { status: 99, headers: [{ name: 'host', value: '\r', isSecret: true }], body: '\0' },
  } as const
  expect(issuesOf(await createSource(configuration, reach, wrong)).map((issue) => issue.replace('input.', ''))).toEqual(
    [
      'MALFORMED name',
      'REQUIRED verification.preset.verifyToken',
      'REQUIRED verification.preset.secret',
      'REQUIRED allowedMethods',
      'MALFORMED allowedNetworks.0',
      'MALFORMED allowedNetworks.2',
      'REQUIRED mapping.id.header',
      'MALFORMED mapping.subject.pointer',
      'OUT_OF_RANGE rateLimit.count',
      'OUT_OF_RANGE rateLimit.windowMs',
      'OUT_OF_RANGE acceptedResponse.status',
      'MALFORMED acceptedResponse.body',
      'MALFORMED acceptedResponse.headers.0.name',
      'MALFORMED acceptedResponse.headers.0.value',
    ],
  )
})

test('the widest of everything is taken, kept and given to requests', async () => {
  const headers = Array.from({ length: 20 }, (_, index) => ({ name: `x-${index}`, value: 'é\tü', isSecret: false }))
  const input = {
    name: 'a'.repeat(63),
    maxBodyBytes: 26_214_400,
    allowedMethods: ['PUT', 'POST', 'PUT', 'HEAD'],
    allowedNetworks: ['10.1.2.3/8', '2001:DB8::/32', '10.9.9.9/8'],
    requiresJson: true,
    mapping: { id: { pointer: '' }, type: { constant: '😀'.repeat(256) }, subject: { header: "!#$%&'*+-.^_`|~" } },
    duplicateWindowMs: 604_800_000,
    rateLimit: { count: 1, windowMs: 3_600_000 },
    retention: { maxBytes: 1 },
    acceptedResponse: { status: 299, headers, body: '😀'.repeat(8_192) },
  } as const
  const { id } = doneValue(await createSource(configuration, reach, input))
  const expected = {
    allowedMethods: ['PUT', 'POST', 'HEAD'],
    requiresJson: true,
    duplicateWindowMs: 604_800_000,
    rateLimit: input.rateLimit,
    mapping: input.mapping,
  }
  const [stored] = await createSourceStore(configuration.orm).byIds(reach, [id])
  expect(stored).toMatchObject({
    ...expected,
    allowedNetworks: ['10.0.0.0/8', '2001:db8::/32'],
    retention: { maxBytes: 1, maxMessages: null, maxAgeHours: null },
  })
  const active = await createSourceDirectory(configuration).byId(id)
  expect(active).toMatchObject({
    ...expected,
    acceptedResponse: {
      status: 299,
      headers: headers.map(({ name, value }) => [name, value]),
      body: input.acceptedResponse.body,
    },
  })
  expect(active?.allowedNetworks?.has('::ffff:10.200.0.1')).toBe(true)
  expect(active?.allowedNetworks?.has('11.0.0.1')).toBe(false)
})

test('what is given as null goes back to its default, what is left out stays', async () => {
  const input = {
    name: 'reset',
    mapping: { id: { header: 'x-id' } },
    rateLimit: { count: 5, windowMs: 1_000 },
    retention: { maxMessages: 5 },
    acceptedResponse: { ...response, body: 'ok' },
  }
  const { id } = doneValue(await createSource(configuration, reach, input))
  const read = async () => (await createSourceStore(configuration.orm).byIds(reach, [id]))[0]
  doneValue(await updateSource(configuration, reach, { id, requiresJson: true }))
  expect(await read()).toMatchObject({ requiresJson: true, rateLimit: input.rateLimit, retention: { maxMessages: 5 } })
  const nothing = { mapping: null, rateLimit: null, retention: null, acceptedResponse: null }
  doneValue(await updateSource(configuration, reach, { id, ...nothing }))
  expect(await read()).toMatchObject({ requiresJson: true, ...nothing })
  // SQL's null, not the JSON text: other queries ask `is null`.
  const [row] = await configuration.sql.query<{ count: number }>(
    `select num_nulls(mapping, rate_limit, retention, accepted_response) as count from sources where id = $1::text`,
    [id],
  )
  expect(row?.count).toBe(4)
})

test('a secret header of the answer rests sealed, is shown redacted, and is sent', async () => {
  const headers = [{ name: 'X-Token', value: 'tell nobody but the sender', isSecret: true }]
  const input = { name: 'secret-header', acceptedResponse: { ...response, headers } }
  const { id } = doneValue(await createSource(configuration, reach, input))
  const stored = await configuration.sql.query(`select s::text from sources as s where s.id = $1::text`, [id])
  expect(JSON.stringify(stored)).toContain('X-Token')
  expect(JSON.stringify(stored)).not.toContain('tell nobody')
  const active = await createSourceDirectory(configuration).byId(id)
  expect(active?.acceptedResponse?.headers).toEqual([['X-Token', 'tell nobody but the sender']])
})
