import { HTTP } from 'cloudevents'
import { Webhook } from 'standardwebhooks'
import { expect, onTestFinished, test } from 'vitest'
import { run } from '../graphql/client.ts'
import { gatewayOfTest } from '../graphql/gateway.ts'
import { startReceiver } from '../support/receiver.ts'
import { until } from '../support/until.ts'

const createEndpoint = `
  mutation ($input: CreateEndpointInput!) {
    createEndpoint(input: $input) {
      ... on CreateEndpointPayload { secret }
      ... on UserError { code message path }
    }
  }`

test('each endpoint gets what its filter lets through, by its method, in its form, with its headers and signature', async () => {
  const gateway = await gatewayOfTest()
  const project = await gateway.newProject()
  const { token } = await project.key(['manage'])
  const receiver = await startReceiver()
  onTestFinished(() => receiver.close())
  const create = async (path: string, input: object): Promise<string> => {
    const variables = { input: { url: `${receiver.url}/${path}`, ...input } }
    const answer = await run({ baseUrl: gateway.baseUrl, token }, createEndpoint, variables)
    expect(answer.data?.createEndpoint).toHaveProperty('secret')
    return answer.data?.createEndpoint.secret
  }
  const secret = await create('event', {
    method: 'PUT',
    payloadFormat: 'CLOUDEVENTS_STRUCTURED',
    filter: { data: { pointer: '/total', value: 7 } },
    headers: [{ name: 'X-Tenant', value: 'acme' }],
    authentication: { bearer: 'let-me-in' },
  })
  await create('envelope', { payloadFormat: 'ENVELOPE', signing: 'PLAIN_SHA256', filter: { types: ['order.*'] } })
  await create('nothing', { filter: { not: { types: ['order.*'] } } })
  const source = await project.source('shop')
  const body = Buffer.from('{"total": 7, "id": 12345678901234567890}')
  await project.message(source, { body, eventType: 'order.created' })
  await project.message(source, { body: Buffer.from('{"total": 8}'), eventType: 'order.paid' })

  const requestsTo = (path: string) => receiver.requests.filter((request) => request.path.endsWith(`/${path}`))
  await until(() => [requestsTo('event').length, requestsTo('envelope').length], [1, 2])
  const [request] = requestsTo('event')
  const headers = Object.fromEntries(Object.entries(request?.headers ?? {}).map(([name, value]) => [name, `${value}`]))
  const text = request?.body.toString() ?? ''
  expect(request?.method).toBe('PUT')
  expect(headers).toMatchObject({ 'x-tenant': 'acme', authorization: 'Bearer let-me-in' })
  expect(text).toContain(`"data":${body}`)
  expect(new Webhook(secret).verify(text, headers)).toMatchObject({ type: 'order.created', source: '/sources/shop' })
  expect(HTTP.toEvent({ headers, body: text })).toMatchObject({ type: 'order.created', data: { total: 7 } })
  const envelopes = requestsTo('envelope')
  expect(envelopes.map(({ headers: fields }) => fields['x-webhook-event']).sort()).toEqual([
    'order.created',
    'order.paid',
  ])
  const deliveries = await gateway.sql.query(`select from deliveries where project_id = $1`, [project.id])
  expect(deliveries).toHaveLength(3)
})
