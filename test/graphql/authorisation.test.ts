import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Scope } from '../../src/auth/index.ts'
import { newId } from '../../src/kernel/ids.ts'
import type { Source } from '../../src/sources/index.ts'
import { until } from '../support/until.ts'
import { codesOf, dataOf, type Loose, overWebSocket, run, type Target } from './client.ts'
import { type Gateway, type Project, startGateway } from './gateway.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway.close())

interface World {
  readonly project: Project
  readonly source: Source
  readonly ids: Record<
    'source' | 'endpoint' | 'message' | 'delivery' | 'refusal' | 'apiKey' | 'project' | 'eventType' | 'operation',
    string
  >
  readonly target: Target
}

/** A project in which there is one of everything. */
async function newWorld(): Promise<World> {
  const project = await gateway.newProject()
  const source = await project.source('orders')
  const endpoint = await project.endpoint('http://127.0.0.1:9/')
  const message = await project.message(source)
  const { id: apiKey, token } = await project.key(['admin'])
  const target = { baseUrl: gateway.baseUrl, token }
  const deliveryId = async () => (await dataOf(target, '{ deliveries { nodes { id } } }')).deliveries.nodes[0]?.id
  await until(async () => typeof (await deliveryId()), 'string')
  const ids = {
    source: source.id,
    endpoint: endpoint.id,
    message: message.id,
    delivery: await deliveryId(),
    refusal: await project.refusal(source),
    apiKey,
    project: project.id,
    eventType: await project.eventType('order.created'),
    operation: await newOperation(project.id, apiKey),
  }
  return { project, source, ids, target }
}

/** One that has ended. */
async function newOperation(projectId: string, keyId: string): Promise<string> {
  const id = newId('opr')
  await gateway.sql.query(
    `insert into operations (id, project_id, api_key_id, kind, status, input, progress, created_at, updated_at, finished_at)
     values ($1, $2, $3, 'retry-deliveries', 'completed', '{}', '{}', now(), now(), now())`,
    [id, projectId, keyId],
  )
  return id
}

describe('each scope opens its own and nothing else', () => {
  let world: World
  beforeAll(async () => {
    world = await newWorld()
  })

  const mutation = (name: string, type: string, input: object) => ({
    query: `mutation ($input: ${type}!) { ${name}(input: $input) { __typename } }`,
    variables: { input },
  })
  const none = 'none'
  const operations: Record<string, { needs: Scope; query: string; variables?: object }> = {
    project: { needs: 'read', query: '{ project { id } }' },
    node: { needs: 'read', query: '{ node(id: "src_x") { id } }' },
    nodes: { needs: 'read', query: '{ nodes(ids: ["src_x"]) { id } }' },
    apiKeys: { needs: 'admin', query: '{ apiKeys { nodes { id } } }' },
    source: { needs: 'read', query: '{ source(by: { name: "orders" }) { id } }' },
    sources: { needs: 'read', query: '{ sources { nodes { id } } }' },
    message: { needs: 'listen', query: '{ message(id: "msg_x") { id } }' },
    endpoint: { needs: 'read', query: '{ endpoint(id: "ept_x") { id } }' },
    endpoints: { needs: 'read', query: '{ endpoints { nodes { id } } }' },
    delivery: { needs: 'read', query: '{ delivery(id: "dlv_x") { id } }' },
    deliveries: { needs: 'read', query: '{ deliveries { nodes { id } } }' },
    operation: { needs: 'read', query: '{ operation(id: "opr_x") { id } }' },
    operations: { needs: 'read', query: '{ operations { nodes { id } } }' },
    replayMessages: { needs: 'manage', ...mutation('replayMessages', 'ReplayMessagesInput', { endpointId: none }) },
    retryDeliveries: { needs: 'manage', ...mutation('retryDeliveries', 'RetryDeliveriesInput', { filter: {} }) },
    retryDelivery: { needs: 'manage', ...mutation('retryDelivery', 'RetryDeliveryInput', { id: none }) },
    cancelDelivery: { needs: 'manage', ...mutation('cancelDelivery', 'CancelDeliveryInput', { id: none }) },
    cancelOperation: { needs: 'manage', ...mutation('cancelOperation', 'CancelOperationInput', { id: none }) },
    eventTypes: { needs: 'read', query: '{ eventTypes { nodes { id } } }' },
    updateProject: { needs: 'admin', ...mutation('updateProject', 'UpdateProjectInput', { rateLimit: { count: 0 } }) },
    publishEvents: {
      needs: 'publish',
      ...mutation('publishEvents', 'PublishEventsInput', { sourceId: none, events: [] }),
    },
    registerEventTypes: {
      needs: 'manage',
      ...mutation('registerEventTypes', 'RegisterEventTypesInput', { eventTypes: [] }),
    },
    listener: { needs: 'listen', query: '{ listener(name: "x") { id } }' },
    listeners: { needs: 'listen', query: '{ listeners { nodes { id } } }' },
    createListener: {
      needs: 'listen',
      ...mutation('createListener', 'CreateListenerInput', { sourceId: none, name: '' }),
    },
    acknowledgeMessages: {
      needs: 'listen',
      ...mutation('acknowledgeMessages', 'AcknowledgeMessagesInput', { listenerId: none, cursor: none }),
    },
    createStreamTicket: {
      needs: 'listen',
      ...mutation('createStreamTicket', 'CreateStreamTicketInput', { sourceIds: [none] }),
    },
    deleteListener: { needs: 'listen', ...mutation('deleteListener', 'DeleteListenerInput', { id: none }) },
    rotateSecret: { needs: 'manage', ...mutation('rotateSecret', 'RotateSecretInput', { ownerId: none }) },
    createApiKey: { needs: 'admin', ...mutation('createApiKey', 'CreateApiKeyInput', { name: '', scopes: [] }) },
    updateApiKey: { needs: 'admin', ...mutation('updateApiKey', 'UpdateApiKeyInput', { id: none }) },
    revokeApiKey: { needs: 'admin', ...mutation('revokeApiKey', 'RevokeApiKeyInput', { id: none }) },
    createSource: { needs: 'manage', ...mutation('createSource', 'CreateSourceInput', { name: '?' }) },
    updateSource: { needs: 'manage', ...mutation('updateSource', 'UpdateSourceInput', { id: none }) },
    deleteSource: { needs: 'manage', ...mutation('deleteSource', 'DeleteSourceInput', { id: none }) },
    rotateSourceToken: { needs: 'manage', ...mutation('rotateSourceToken', 'RotateSourceTokenInput', { id: none }) },
    createEndpoint: {
      needs: 'manage',
      ...mutation('createEndpoint', 'CreateEndpointInput', { url: 'http://10.0.0.1/' }),
    },
    updateEndpoint: { needs: 'manage', ...mutation('updateEndpoint', 'UpdateEndpointInput', { id: none }) },
    deleteEndpoint: { needs: 'manage', ...mutation('deleteEndpoint', 'DeleteEndpointInput', { id: none }) },
    pauseEndpoint: { needs: 'manage', ...mutation('pauseEndpoint', 'PauseEndpointInput', { id: none }) },
    resumeEndpoint: { needs: 'manage', ...mutation('resumeEndpoint', 'ResumeEndpointInput', { id: none }) },
    testEndpoint: { needs: 'manage', ...mutation('testEndpoint', 'TestEndpointInput', { id: none }) },
    diagnoseEndpoint: { needs: 'manage', ...mutation('diagnoseEndpoint', 'DiagnoseEndpointInput', { id: none }) },
    deliveryExplanation: {
      needs: 'read',
      query: '{ deliveryExplanation(messageId: "msg_x", endpointId: "ept_x") { verdict } }',
    },
  }

  test('every field of Query and Mutation is in this table', () => {
    const fields = [gateway.graphql.schema.getQueryType(), gateway.graphql.schema.getMutationType()].flatMap((type) =>
      Object.keys(type?.getFields() ?? {}),
    )
    expect([...Object.keys(operations), 'viewer'].sort()).toEqual(fields.sort())
  })

  const includes: Record<Scope, Scope[]> = {
    admin: ['admin', 'manage', 'publish', 'listen', 'read'],
    manage: ['manage', 'read'],
    publish: ['publish'],
    listen: ['listen'],
    jobs: [],
    read: ['read'],
  }
  test.each(Object.entries(includes))('%s', async (scope, opened) => {
    const { token } = await world.project.key([scope as Scope])
    const target = { baseUrl: gateway.baseUrl, token }
    expect(codesOf(await run(target, '{ viewer { id scopes } }'))).toEqual([])
    for (const [name, { needs, query, variables }] of Object.entries(operations)) {
      const codes = codesOf(await run(target, query, { ...variables }))
      expect(codes, name).toEqual(opened.includes(needs) ? [] : ['FORBIDDEN'])
    }
    const stream = overWebSocket(
      target,
      'subscription ($ids: [ID!]!) { messageReceived(sourceIds: $ids) { __typename } }',
      {
        ids: [world.ids.source],
      },
    )
    expect(codesOf(await stream.next())).toEqual(opened.includes('listen') ? [] : ['FORBIDDEN'])
    const deliveries = overWebSocket(target, 'subscription { deliveryUpdated { id } }')
    expect(codesOf(await deliveries.next())).toEqual(opened.includes('read') ? [] : ['FORBIDDEN'])
    const operation = overWebSocket(target, `subscription { operationUpdated(id: "${world.ids.operation}") { id } }`)
    expect(codesOf(await operation.next())).toEqual(opened.includes('read') ? [] : ['FORBIDDEN'])
  })

  test('READ sees deliveries but not their messages, nor the addresses of sources', async () => {
    const { token } = await world.project.key(['read'])
    const target = { baseUrl: gateway.baseUrl, token }
    const answer = await run(target, '{ deliveries { nodes { id message { id } } } sources { nodes { ingressUrl } } }')
    expect(answer.data).toMatchObject({
      deliveries: { nodes: [{ id: world.ids.delivery, message: null }] },
      sources: { nodes: [{ ingressUrl: null }, { ingressUrl: null }] },
    })
    expect(codesOf(answer)).toEqual(['FORBIDDEN'])
    expect(codesOf(await run(target, `{ node(id: "${world.ids.message}") { id } }`))).toEqual(['FORBIDDEN'])
    expect(codesOf(await run(target, `{ node(id: "${world.ids.apiKey}") { id } }`))).toEqual(['FORBIDDEN'])
    expect(codesOf(await run(target, '{ sources { nodes { messages { nodes { id } } } } }'))).toEqual(['FORBIDDEN'])
  })

  test('LISTEN sees messages but not their deliveries', async () => {
    const { token } = await world.project.key(['listen'])
    const target = { baseUrl: gateway.baseUrl, token }
    const data = await dataOf(
      target,
      `{ message(id: "${world.ids.message}") { text source { name messages { nodes { id } } } } }`,
    )
    expect(data.message.source).toEqual({ name: 'orders', messages: { nodes: [{ id: world.ids.message }] } })
    const withDeliveries = await run(target, `{ message(id: "${world.ids.message}") { deliveries { nodes { id } } } }`)
    expect(codesOf(withDeliveries)).toEqual(['FORBIDDEN'])
  })
})

const readAll = `query ($source: ID!, $endpoint: ID!, $message: ID!, $delivery: ID!, $refusal: ID!, $apiKey: ID!, $project: ID!, $eventType: ID!, $operation: ID!, $name: String!) {
  byId: source(by: { id: $source }) { id }
  byName: source(by: { name: $name }) { id }
  message(id: $message) { id }
  endpoint(id: $endpoint) { id }
  delivery(id: $delivery) { id }
  deliveryExplanation(messageId: $message, endpointId: $endpoint) { verdict }
  nodes(ids: [$source, $endpoint, $message, $delivery, $refusal, $apiKey, $project, $eventType, $operation]) { id }
  operation(id: $operation) { id }
  operations { nodes { id } }
  sources { totalCount nodes { id refusals { nodes { id } } } }
  eventTypes { totalCount nodes { id } }
  endpoints { totalCount nodes { id } }
  deliveries { nodes { id } }
  filtered: deliveries(filter: { endpointId: $endpoint }) { nodes { id } }
}`

const nothing = {
  byId: null,
  byName: null,
  message: null,
  endpoint: null,
  delivery: null,
  deliveryExplanation: null,
  operation: null,
  operations: { nodes: [] },
  sources: { totalCount: 1, nodes: [{ id: expect.stringMatching(/^src_/), refusals: { nodes: [] } }] },
  eventTypes: { totalCount: 0, nodes: [] },
  endpoints: { totalCount: 0, nodes: [] },
  deliveries: { nodes: [] },
  filtered: { nodes: [] },
}

async function attack(target: Target, ids: World['ids']): Promise<string[]> {
  const { source, endpoint, apiKey, delivery, operation } = ids
  const input = (type: string, name: string, value: object) =>
    run(target, `mutation ($input: ${type}!) { ${name}(input: $input) { __typename ... on UserError { code } } }`, {
      input: value,
    })
  const answers = [
    await input('RevokeApiKeyInput', 'revokeApiKey', { id: apiKey }),
    await input('UpdateApiKeyInput', 'updateApiKey', { id: apiKey, name: 'stolen' }),
    await input('UpdateSourceInput', 'updateSource', { id: source, name: 'stolen' }),
    await input('RotateSourceTokenInput', 'rotateSourceToken', { id: source }),
    await input('DeleteSourceInput', 'deleteSource', { id: source }),
    await input('UpdateEndpointInput', 'updateEndpoint', { id: endpoint, url: 'https://example.com/' }),
    await input('DeleteEndpointInput', 'deleteEndpoint', { id: endpoint }),
    await input('PauseEndpointInput', 'pauseEndpoint', { id: endpoint }),
    await input('ResumeEndpointInput', 'resumeEndpoint', { id: endpoint }),
    await input('TestEndpointInput', 'testEndpoint', { id: endpoint }),
    await input('DiagnoseEndpointInput', 'diagnoseEndpoint', { id: endpoint }),
    await input('ReplayMessagesInput', 'replayMessages', { endpointId: endpoint }),
    await input('RetryDeliveryInput', 'retryDelivery', { id: delivery }),
    await input('CancelDeliveryInput', 'cancelDelivery', { id: delivery }),
    await input('CancelOperationInput', 'cancelOperation', { id: operation }),
    await input('CreateEndpointInput', 'createEndpoint', { url: 'https://example.com/', sourceIds: [source] }),
    await input('CreateApiKeyInput', 'createApiKey', { name: 'x', scopes: ['LISTEN'], sourceIds: [source] }),
    await input('RotateSecretInput', 'rotateSecret', { ownerId: source }),
    await input('CreateStreamTicketInput', 'createStreamTicket', { sourceIds: [source] }),
    await input('PublishEventsInput', 'publishEvents', {
      sourceId: source,
      events: [{ type: 'a', data: { text: '1' } }],
    }),
  ]
  return answers.map((answer) => (Object.values(answer.data ?? {})[0] as Loose)?.code ?? JSON.stringify(answer))
}

describe('another project', () => {
  let victim: World
  let stranger: World
  beforeEach(async () => {
    victim = await newWorld()
    stranger = await newWorld()
  })

  test('cannot be read by a single query', async () => {
    const empty = await gateway.newProject()
    const target = { baseUrl: gateway.baseUrl, token: (await empty.key(['admin'])).token }
    const data = await dataOf(target, readAll, { ...victim.ids, name: 'orders' })
    expect(data).toEqual({ ...nothing, nodes: Array(9).fill(null) })
    // Its own built-in source is all that it sees.
    expect(data.sources.nodes).not.toContainEqual({ id: victim.ids.source, refusals: { nodes: [] } })
  })

  test('cannot be changed by a single mutation, nor told from what does not exist', async () => {
    const before = await dataOf(victim.target, readAll, { ...victim.ids, name: 'orders' })
    const codes = await attack(stranger.target, victim.ids)
    expect(new Set(codes)).toEqual(new Set(['NOT_FOUND']))
    const unknown = Object.fromEntries(
      Object.entries(victim.ids).map(([name, id]) => [name, `${id.slice(0, -4)}0000`]),
    ) as World['ids']
    expect(await attack(stranger.target, unknown)).toEqual(codes)
    expect(await dataOf(victim.target, readAll, { ...victim.ids, name: 'orders' })).toEqual(before)
  })

  test('is not heard by a single subscription', async () => {
    const foreign = overWebSocket(
      stranger.target,
      'subscription ($ids: [ID!]!) { messageReceived(sourceIds: $ids) { __typename } }',
      {
        ids: [victim.ids.source],
      },
    )
    expect(codesOf(await foreign.next())).toEqual(['NOT_FOUND'])
    const mixed = overWebSocket(
      stranger.target,
      'subscription ($ids: [ID!]!) { messageReceived(sourceIds: $ids) { __typename } }',
      {
        ids: [stranger.ids.source, victim.ids.source],
      },
    )
    expect(codesOf(await mixed.next())).toEqual(['NOT_FOUND'])
    const refusals = 'subscription ($id: ID!) { requestRefused(sourceId: $id) { id } }'
    const refused = overWebSocket(stranger.target, refusals, { id: victim.ids.source })
    expect(codesOf(await refused.next())).toEqual(['NOT_FOUND'])
    const deliveries = overWebSocket(stranger.target, 'subscription { deliveryUpdated { message { id } } }')
    expect((await deliveries.next()).data.deliveryUpdated.message.id).toBe(stranger.ids.message)
    await victim.project.message(victim.source)
    const own = await stranger.project.message(stranger.source)
    let seen: Loose
    do {
      seen = (await deliveries.next()).data.deliveryUpdated.message.id
      expect([stranger.ids.message, own.id]).toContain(seen)
    } while (seen !== own.id)
  })
})

test('a key that is limited to a source sees and changes nothing of the others', async () => {
  const { project, ids } = await newWorld()
  const own = await project.source('own')
  const message = await project.message(own)
  const { token } = await project.key(['admin'], { sourceIds: [own.id] })
  const target = { baseUrl: gateway.baseUrl, token }
  const seen = async () => (await dataOf(target, '{ deliveries { nodes { message { id } } } }')).deliveries.nodes
  await until(seen, [{ message: { id: message.id } }])
  const data = await dataOf(target, readAll, { ...ids, name: 'orders' })
  expect(data).toMatchObject({
    ...nothing,
    sources: { totalCount: 1, nodes: [{ id: own.id, refusals: { nodes: [] } }] },
    eventTypes: { totalCount: 1 },
    deliveries: expect.anything(),
    filtered: expect.anything(),
  })
  expect(data.nodes.slice(0, 5)).toEqual([null, null, null, null, null])
  expect((await attack(target, ids)).slice(1)).toEqual(Array(19).fill('NOT_FOUND'))
  const stream = overWebSocket(
    target,
    'subscription ($ids: [ID!]!) { messageReceived(sourceIds: $ids) { __typename } }',
    { ids: [ids.source] },
  )
  expect(codesOf(await stream.next())).toEqual(['NOT_FOUND'])
  const refusals = 'subscription ($id: ID!) { requestRefused(sourceId: $id) { id } }'
  expect(codesOf(await overWebSocket(target, refusals, { id: ids.source }).next())).toEqual(['NOT_FOUND'])
  // These hold for the other sources as well.
  for (const mutation of [
    'updateProject(input: { rateLimit: { count: 1 } })',
    'registerEventTypes(input: { eventTypes: [{ name: "order.created", onViolation: REFUSE }] })',
  ]) {
    expect(codesOf(await run(target, `mutation { ${mutation} { __typename } }`)), mutation).toEqual(['FORBIDDEN'])
  }
})
