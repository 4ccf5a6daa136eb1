import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Webhook } from 'standardwebhooks'
import { expect, test } from 'vitest'
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts'
import { createEndpoint, createSource, graphql } from '../support/graphql-client.ts'
import { startReceiver } from '../support/receiver.ts'
import { until } from '../support/until.ts'

const wanted = 300
/** So many that the replay takes several steps. */
const stored = 4_000
const batch = 500

const filter = { types: ['order.paid'] }

interface Operation {
  readonly id: string
  readonly status: string
  readonly totalCount: number | null
  readonly doneCount: number
  readonly skippedCount: number
}

test('an endpoint made later gets all that it wants of the past, signed, once each, though the gateway is killed meanwhile', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'hookline-replay-'))
  let gateway: GatewayProcess | null = await startGatewayProcess({ DATA_DIR: dataDir })
  try {
    const { baseUrl } = gateway
    const token = gateway.adminToken()
    await createSource(baseUrl, token, { name: 'orders' })
    await publishAll(baseUrl, token)
    const verifiers: Webhook[] = []
    const receiver = await startReceiver(({ body, headers }) => {
      verifiers[0]?.verify(body, headers as Record<string, string>)
      return 204
    })
    const { id: endpointId, secret } = await createEndpoint(baseUrl, token, { url: receiver.url, filter })
    verifiers.push(new Webhook(secret))
    // What fan-out has not come to yet is not replayed, but comes by itself.
    const nothing = { endpointId, filter: { types: ['nothing'] } }
    await until(async () => (await replay(baseUrl, token, nothing)).totalCount, stored)
    const begun = await replay(baseUrl, token, { endpointId, filter, skipsExisting: true })
    const seen = await progressOf(baseUrl, token, begun.id)
    await gateway.stop('SIGKILL')
    expect(seen).toMatchObject({ status: 'RUNNING', totalCount: stored })
    expect(seen.doneCount).toBeLessThan(stored)

    gateway = await startGatewayProcess({ DATA_DIR: dataDir, PORT: new URL(baseUrl).port })
    await until(async () => (await read(baseUrl, token, begun.id)).status, 'COMPLETED')
    expect(await read(baseUrl, token, begun.id)).toMatchObject({ totalCount: stored, doneCount: stored })
    const idsOf = (name: string) => new Set(receiver.accepted.map(({ headers }) => headers[name]))
    await until(() => idsOf('webhook-id').size, wanted)
    // What was under way when it was killed is attempted again: the same delivery of the same message.
    expect(idsOf('hookline-delivery-id').size).toBe(wanted)
    expect(receiver.accepted).toHaveLength(receiver.requests.length)
    const bodies = new Set(receiver.accepted.map(({ body }) => body.toString()))
    expect(bodies).toEqual(new Set(Array.from({ length: wanted }, (_, n) => `{"n":${n}}`)))
    for (const { headers } of receiver.accepted) expect(`${headers['webhook-signature']}`).toMatch(/^v1,\S+$/)
    await receiver.close()
  } finally {
    await gateway.stop('SIGKILL')
    await rm(dataDir, { recursive: true, force: true })
  }
})

/** Those that are wanted are spread over the whole log. */
async function publishAll(baseUrl: string, token: string): Promise<void> {
  const spacing = Math.floor(stored / wanted)
  const events = Array.from({ length: stored }, (_, n) => {
    const isWanted = n % spacing === 0 && n / spacing < wanted
    return {
      specversion: '1.0',
      id: `${n}`,
      source: '/shop',
      type: isWanted ? 'order.paid' : 'order.viewed',
      datacontenttype: 'application/json',
      data: { n: isWanted ? n / spacing : -1 },
    }
  })
  for (let from = 0; from < stored; from += batch) {
    const response = await fetch(`${baseUrl}/events/orders`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/cloudevents-batch+json' },
      body: JSON.stringify(events.slice(from, from + batch)),
    })
    expect(response.status).toBe(202)
  }
}

const fields = 'id status totalCount doneCount skippedCount'

async function replay(baseUrl: string, token: string, input: object): Promise<Operation> {
  const query = `mutation ($input: ReplayMessagesInput!) {
    replayMessages(input: $input) { ... on OperationPayload { operation { ${fields} } } }
  }`
  const data = await graphql<{ replayMessages: { operation: Operation } }>(baseUrl, token, query, { input })
  return data.replayMessages.operation
}

async function read(baseUrl: string, token: string, id: string): Promise<Operation> {
  const query = `query ($id: ID!) { operation(id: $id) { ${fields} } }`
  return (await graphql<{ operation: Operation }>(baseUrl, token, query, { id })).operation
}

/** @returns the operation as it was when something was done. */
async function progressOf(baseUrl: string, token: string, id: string): Promise<Operation> {
  let operation = await read(baseUrl, token, id)
  while (operation.doneCount === 0) operation = await read(baseUrl, token, id)
  return operation
}
