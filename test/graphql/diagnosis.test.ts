import { afterAll, beforeAll, expect, test } from 'vitest'
import { createVerifier } from '../../src/receiver/index.ts'
import { type ReceivedRequest, type Receiver, startReceiver } from '../support/receiver.ts'
import { codesOf, dataOf, type Loose, run, type Target } from './client.ts'
import { type Gateway, type Project, startGateway } from './gateway.ts'

let gateway: Gateway
let project: Project
let target: Target
let receiver: Receiver
let status = 204
beforeAll(async () => {
  gateway = await startGateway()
  project = await gateway.newProject()
  target = { baseUrl: gateway.baseUrl, token: (await project.key(['manage'])).token }
  receiver = await startReceiver(() => status)
})
afterAll(async () => {
  await receiver.close()
  await gateway.close()
})

async function create(input: object = {}): Promise<{ id: string; secret: string }> {
  const query = `mutation ($input: CreateEndpointInput!) { createEndpoint(input: $input) {
    ... on CreateEndpointPayload { endpoint { id } secret }
  } }`
  const { createEndpoint } = await dataOf(target, query, { input: { url: receiver.url, ...input } })
  return { id: createEndpoint.endpoint.id, secret: createEndpoint.secret }
}

async function send(input: object, to = target): Promise<Loose> {
  const query = `mutation ($input: TestEndpointInput!) { testEndpoint(input: $input) {
    __typename
    ... on UserError { code path }
    ... on TestEndpointPayload { attempt {
      id number durationMs failure failureDetail
      request { method url headers { name value } body }
      response { status text }
    } }
  } }`
  return (await dataOf(to, query, { input })).testEndpoint
}

function lastRequest(): ReceivedRequest {
  const request = receiver.requests.at(-1)
  if (request === undefined) throw new Error('nothing arrived')
  return request
}

test('a test event is marked, signed and formed as deliveries are, and shown with its answer', async () => {
  const { id, secret } = await create({ method: 'PUT', payloadFormat: 'ENVELOPE' })
  const { attempt } = await send({ id })
  const { method, headers, body } = lastRequest()
  expect(attempt).toMatchObject({ number: 1, failure: null, failureDetail: null, response: { status: 204, text: '' } })
  expect(attempt.request).toMatchObject({ method: 'PUT', url: receiver.url, body: body.toString('base64') })
  for (const { name, value } of attempt.request.headers) expect(headers[name.toLowerCase()]).toBe(value)
  expect(method).toBe('PUT')
  expect(headers).toMatchObject({ 'hookline-test': 'true', 'hookline-event-type': 'hookline.test' })
  expect(JSON.parse(body.toString())).toMatchObject({ event_type: 'hookline.test', source: '/sources/hookline-test' })
  const verified = createVerifier({ secrets: [secret] })({ headers, body })
  expect(verified).toMatchObject({ kind: 'verified', event: { type: 'hookline.test' } })
})

test('the event can be said, in any form', async () => {
  const { id } = await create({ payloadFormat: 'CLOUDEVENTS_BINARY' })
  const event = { type: 'order.created', id: '7', source: '/shop', subject: 'order/7', data: { text: 'Zoë' } }
  await send({ id, event: { ...event, extensions: { tenant: 'acme' } } })
  const { headers, body } = lastRequest()
  expect(headers).toMatchObject({
    'ce-type': 'order.created',
    'ce-id': '7',
    'ce-source': '/shop',
    'ce-subject': 'order/7',
    'ce-tenant': 'acme',
    'content-type': 'text/plain',
    'hookline-test': 'true',
  })
  expect(body.toString()).toBe('Zoë')
})

test('an event that is none is refused and not sent', async () => {
  const { id } = await create()
  const count = receiver.requests.length
  const event = { type: '', source: 'no reference' }
  expect(await send({ id, event })).toMatchObject({ __typename: 'ValidationError', path: ['input', 'event', 'type'] })
  expect(receiver.requests).toHaveLength(count)
})

test('secrets are sent, and shown to nobody', async () => {
  const { id } = await create({
    headers: [
      { name: 'X-Shop', value: 'north' },
      { name: 'X-Given', value: 'hidden 1', isSecret: true },
      { name: 'X-Auth-Token', value: 'hidden 2' },
    ],
    authentication: { apiKey: { header: 'X-Proof', value: 'hidden-3' } },
  })
  const { attempt } = await send({ id })
  expect(lastRequest().headers).toMatchObject({
    'x-shop': 'north',
    'x-given': 'hidden 1',
    'x-auth-token': 'hidden 2',
    'x-proof': 'hidden-3',
  })
  const shown = Object.fromEntries(attempt.request.headers.map(({ name, value }: Loose) => [name, value]))
  expect(shown).toMatchObject({ 'X-Shop': 'north', 'X-Given': '[redacted]', 'X-Auth-Token': '[redacted]' })
  expect(shown['X-Proof']).toBe('[redacted]')
  expect(JSON.stringify(attempt)).not.toMatch(/hidden/)
})

test('an endpoint is tested whatever its state, and a test changes nothing of it', async () => {
  const { id } = await create()
  const state = `select status, consecutive_failures, failing_since, breaker, throttled_until from endpoint_states where endpoint_id = $1`
  const counts = `select (select count(*) from deliveries) + (select count(*) from attempts) + (select count(*) from messages)
                       + (select count(*) from fresh_counts) + (select count(*) from rollups) as count`
  const [before] = await gateway.sql.query(counts)
  for (const [kept, answer] of [
    ['active', 410],
    ['paused', 429],
    ['disabled', 500],
  ] as const) {
    await gateway.sql.query(`update endpoint_states set status = $2 where endpoint_id = $1`, [id, kept])
    status = answer
    const { attempt } = await send({ id })
    expect(attempt).toMatchObject({ failure: 'STATUS', response: { status: answer } })
    expect(await gateway.sql.query(state, [id])).toEqual([
      { status: kept, consecutive_failures: 0, failing_since: null, breaker: 'closed', throttled_until: null },
    ])
  }
  status = 204
  expect(await gateway.sql.query(counts)).toEqual([before])
})

test('a receiver that is not there is an outcome like any other', async () => {
  const { id } = await create({ url: 'http://127.0.0.1:9/' })
  const { attempt } = await send({ id })
  expect(attempt).toMatchObject({ failure: 'CONNECTION_REFUSED', response: null, request: { method: 'POST' } })
})

test('attempts of deliveries keep no request', async () => {
  const source = await project.source()
  const { id } = await create({ sourceIds: [source.id] })
  await project.message(source)
  const query = `query ($id: ID!) { deliveries(filter: { endpointId: $id, statuses: [DELIVERED] }) { nodes {
    attempts(first: 1) { nodes { request { url } response { status } } }
  } } }`
  await expect
    .poll(async () => (await dataOf(target, query, { id })).deliveries.nodes)
    .toEqual([{ attempts: { nodes: [{ request: null, response: { status: 204 } }] } }])
})

test('ten tests of a project run at a time, and no more', async () => {
  const { promise, resolve } = Promise.withResolvers<number>()
  const slow = await startReceiver(() => promise)
  const { id } = await create({ url: slow.url })
  const running = Array.from({ length: 10 }, () => send({ id }))
  await expect.poll(() => slow.requests.length).toBe(10)
  expect(await send({ id })).toMatchObject({ __typename: 'LimitReachedError', code: 'LIMIT_REACHED' })
  const stranger = await gateway.newProject()
  const endpoint = await stranger.endpoint(receiver.url)
  const { token } = await stranger.key(['manage'])
  const other = await send({ id: endpoint.id }, { ...target, token })
  expect(other.attempt.response).toMatchObject({ status: 204 })
  resolve(204)
  for (const { attempt } of await Promise.all(running)) expect(attempt.failure).toBeNull()
  expect((await send({ id })).attempt.failure).toBeNull()
  await slow.close()
})

test('an examination names eight subjects in their order, and makes no delivery', async () => {
  const { id } = await create()
  const query = `mutation ($input: DiagnoseEndpointInput!) { diagnoseEndpoint(input: $input) {
    __typename
    ... on EndpointDiagnosis { endpoint { id } examinedAt findings { subject level summary recommendation } }
  } }`
  const { diagnoseEndpoint } = await dataOf(target, query, { input: { id } })
  expect(diagnoseEndpoint).toMatchObject({ __typename: 'EndpointDiagnosis', endpoint: { id } })
  expect(diagnoseEndpoint.findings.map(({ subject, level }: Loose) => `${subject} ${level}`)).toEqual([
    'URL WARNING',
    'DNS OK',
    'CONNECTION OK',
    'TLS OK',
    'CLOCK OK',
    'FAILURES OK',
    'LATENCY OK',
    'BREAKER OK',
  ])
  expect(lastRequest()).toMatchObject({ method: 'HEAD', body: Buffer.alloc(0) })
  expect(
    (await dataOf(target, `{ deliveries(filter: { endpointId: "${id}" }) { nodes { id } } }`)).deliveries.nodes,
  ).toEqual([])
})

const explain = `query ($messageId: ID!, $endpointId: ID!) { deliveryExplanation(messageId: $messageId, endpointId: $endpointId) {
  verdict summary trace { at test found isMatch } endpoint { id } delivery { status attemptCount } message { id }
} }`

test('a message is explained to whoever asks: delivered here, kept out there', async () => {
  const { token } = await project.key(['admin'])
  const admin = { ...target, token }
  const source = await project.source()
  const sourceIds = [source.id]
  const [open, filtering] = [await create({ sourceIds }), await create({ sourceIds, filter: { types: ['order.*'] } })]
  const message = await project.message(source, { eventType: 'shirt.sold' })
  const ask = async (endpointId: string, to: Target = admin) =>
    (await run(to, explain, { messageId: message.id, endpointId })) as Loose
  const explained = async (endpointId: string) => (await ask(endpointId)).data.deliveryExplanation
  await expect
    .poll(() => explained(open.id))
    .toMatchObject({
      verdict: 'DELIVERED',
      endpoint: { id: open.id },
      delivery: { status: 'DELIVERED', attemptCount: 1 },
      message: { id: message.id },
    })
  expect(await explained(filtering.id)).toMatchObject({
    verdict: 'FILTERED_OUT',
    delivery: null,
    trace: [
      { at: 'fanOut', isMatch: true },
      { at: 'sourceIds', found: source.name, isMatch: true },
      { at: 'filter.types', test: 'type is like order.*', found: 'shirt.sold', isMatch: false },
    ],
  })

  const reader = await ask(filtering.id, { ...target, token: (await project.key(['read'])).token })
  expect(new Set(codesOf(reader))).toEqual(new Set(['FORBIDDEN']))
  expect(reader.data.deliveryExplanation).toMatchObject({ verdict: 'FILTERED_OUT', message: null })
  expect(reader.data.deliveryExplanation.trace.map(({ found }: Loose) => found)).toEqual([null, null, null])

  const other = await project.source()
  const elsewhere = await create({ sourceIds: [other.id] })
  const limited = { ...target, token: (await project.key(['admin'], { sourceIds: [other.id] })).token }
  expect(await ask(elsewhere.id, limited)).toEqual({ data: { deliveryExplanation: null } })
  expect(await explained(elsewhere.id)).toMatchObject({ verdict: 'OTHER_SOURCES' })
})
