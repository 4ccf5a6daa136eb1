import { afterAll, beforeAll, expect, test } from 'vitest'
import { codesOf, dataOf, type Loose, run, type Target } from './client.ts'
import { type Gateway, type Project, startGateway } from './gateway.ts'

let gateway: Gateway
let project: Project
let target: Target
beforeAll(async () => {
  gateway = await startGateway()
  project = await gateway.newProject()
  target = { baseUrl: gateway.baseUrl, token: (await project.key(['manage'])).token }
})
afterAll(() => gateway.close())

const fields = `id name isPaused ingressUrl queueUrl eventsUrl allowedMethods allowedNetworks requiresJson
  verification { scheme preset header username signature { algorithm header toleranceMs prefix }
    secrets { id hint createdAt expiresAt } }
  mapping { id { header pointer constant } type { header pointer constant } subject { constant } }
  duplicateWindowMs rateLimit { count windowMs } retention { maxMessages maxBytes maxAgeHours }
  acceptedResponse { status headers { name value } body text isTruncated announcedBytes }`

async function mutate(name: string, input: object, payload: string): Promise<Loose> {
  const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}Input`
  const query = `mutation ($input: ${type}!) { ${name}(input: $input) {
    __typename ${payload} ... on UserError { code path }
  } }`
  return (await dataOf(target, query, { input }))[name]
}

const sourcePayload = `... on SourcePayload { source { ${fields} } }`

test('a source shows its defaults', async () => {
  const { source } = await mutate('createSource', { name: 'plain' }, sourcePayload)
  expect(source).toEqual({
    id: source.id,
    name: 'plain',
    isPaused: false,
    ingressUrl: expect.stringMatching(/\/in\/[\w-]{43}$/),
    queueUrl: null,
    eventsUrl: expect.stringMatching(/\/events\/plain$/),
    allowedMethods: ['GET', 'POST'],
    allowedNetworks: [],
    requiresJson: false,
    verification: null,
    mapping: { id: null, type: null, subject: null },
    duplicateWindowMs: 86_400_000,
    rateLimit: null,
    retention: null,
    acceptedResponse: null,
  })
})

test('a source shows all that was chosen, but no secret', async () => {
  const input = {
    name: 'chosen',
    verification: { signature: { secret: 'a secret of the sender', header: 'X-Signature', prefix: 'sha256=' } },
    allowedMethods: ['PUT'],
    allowedNetworks: ['192.0.2.1/24'],
    requiresJson: true,
    mapping: { id: { header: 'X-Id' }, type: { constant: 'order' } },
    duplicateWindowMs: 0,
    rateLimit: { count: 10 },
    retention: { maxAgeHours: 1 },
    acceptedResponse: { headers: [{ name: 'X-Token', value: 'hidden', isSecret: true }], body: 'grüezi' },
  }
  const { source } = await mutate('createSource', input, sourcePayload)
  expect(source).toMatchObject({
    queueUrl: expect.stringMatching(/\/q\/[a-z0-9-]+\/chosen$/),
    allowedMethods: ['PUT'],
    allowedNetworks: ['192.0.2.0/24'],
    requiresJson: true,
    verification: {
      scheme: 'SIGNATURE',
      preset: null,
      header: null,
      username: null,
      signature: { algorithm: 'HMAC_SHA256', header: 'X-Signature', toleranceMs: 300_000, prefix: 'sha256=' },
      secrets: [{ hint: 'nder', expiresAt: null }],
    },
    mapping: { id: { header: 'X-Id', pointer: null, constant: null }, type: { constant: 'order' }, subject: null },
    duplicateWindowMs: 0,
    rateLimit: { count: 10, windowMs: 1_000 },
    retention: { maxMessages: null, maxBytes: null, maxAgeHours: 1 },
    acceptedResponse: {
      status: 200,
      headers: [{ name: 'X-Token', value: '[redacted]' }],
      text: 'grüezi',
      body: Buffer.from('grüezi').toString('base64'),
      isTruncated: false,
      announcedBytes: null,
    },
  })
  const changed = await mutate('updateSource', { id: source.id, isPaused: true, rateLimit: null }, sourcePayload)
  expect(changed.source).toEqual({ ...source, isPaused: true, rateLimit: null })
})

test.each([
  [{ apiKey: { header: 'X-Key', value: 'key' } }, { scheme: 'API_KEY', header: 'X-Key' }],
  [{ bearer: 'x'.repeat(16) }, { scheme: 'BEARER', header: null }],
  [{ basic: { username: 'user', password: 'pass' } }, { scheme: 'BASIC', username: 'user' }],
  [{ preset: { preset: 'META', secret: 's', verifyToken: 't' } }, { scheme: 'PRESET', preset: 'META' }],
])('the verification %j is shown as %j', async (verification, expected) => {
  const { id } = await project.source(`scheme-${expected.scheme.toLowerCase().replace('_', '-')}`)
  const { source } = await mutate('updateSource', { id, verification }, sourcePayload)
  expect(source.verification).toMatchObject(expected)
})

test('two ways of verification at once are refused', async () => {
  const verification = { bearer: 'x'.repeat(16), basic: { username: 'user', password: 'pass' } }
  const query = 'mutation ($input: CreateSourceInput!) { createSource(input: $input) { __typename } }'
  const answer = await run(target, query, { input: { name: 'two', verification } })
  expect(codesOf(answer)).toEqual(['BAD_USER_INPUT'])
})

test('a secret is replaced with an overlap, and shown once', async () => {
  const payload = '... on RotateSecretPayload { secret secrets { id hint expiresAt } }'
  const endpoint = await project.endpoint('https://receiver.example/')
  const source = await project.source('rotating')
  expect(await mutate('rotateSecret', { ownerId: source.id }, payload)).toEqual({
    __typename: 'StateConflictError',
    code: 'STATE_CONFLICT',
    path: ['input', 'ownerId'],
  })
  const verification = { preset: { preset: 'GITHUB', secret: 'the first secret' } }
  await mutate('updateSource', { id: source.id, verification }, '')
  for (const ownerId of [endpoint.id, source.id]) {
    const { secret, secrets } = await mutate('rotateSecret', { ownerId }, payload)
    expect(secrets).toMatchObject([
      { hint: secret.slice(-4), expiresAt: null },
      { expiresAt: expect.stringMatching(/Z$/) },
    ])
  }
  const [, former] = (await dataOf(target, `{ source(by: { id: "${source.id}" }) { ${fields} } }`)).source.verification
    .secrets
  expect(Date.parse(former.expiresAt) - Date.now()).toBeGreaterThan(86_000_000)
})

test('who may only read sees neither address nor secrets', async () => {
  const reader = { ...target, token: (await project.key(['read'])).token }
  const { source } = await mutate(
    'createSource',
    { name: 'read-only', verification: { bearer: 'x'.repeat(16) } },
    sourcePayload,
  )
  const read = (selection: string) => run(reader, `{ source(by: { id: "${source.id}" }) { ${selection} } }`)
  expect((await read('ingressUrl verification { scheme }')).data).toEqual({
    source: { ingressUrl: null, verification: { scheme: 'BEARER' } },
  })
  const answer = await read('verification { secrets { hint } }')
  expect(codesOf(answer)).toEqual(['FORBIDDEN'])
})

test('a page of sources reads all their secrets at once', async () => {
  const query = '{ sources(first: 100) { nodes { queueUrl verification { secrets { id } } } } }'
  const statements = await gateway.statementsOf(() => dataOf(target, query))
  expect(statements.filter((text) => /from "?secrets"?/.test(text))).toHaveLength(1)
  expect(statements.filter((text) => /from "?projects"?/.test(text)).length).toBeLessThanOrEqual(1)
})
