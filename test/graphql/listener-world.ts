import { afterAll, beforeAll, beforeEach, expect } from 'vitest'
import type { ApiKeyId } from '../../src/kernel/ids.ts'
import { moveFloor } from '../../src/retention/floor.ts'
import type { Source } from '../../src/sources/index.ts'
import { codesOf, dataOf, type Loose, overWebSocket, type Subscription, type Target } from './client.ts'
import { type Gateway, type Project, startGateway } from './gateway.ts'

/*
 * One gateway per test file, and for each test a project with a source and a key that may listen. What is exported as a
 * variable is that of the running test.
 */

export let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway.close())

export let project: Project
export let source: Source
export let keyId: ApiKeyId
export let target: Target

beforeEach(async () => {
  project = await gateway.newProject()
  source = await project.source()
  const key = await project.key(['listen', 'read'])
  keyId = key.id
  target = { baseUrl: gateway.baseUrl, token: key.token }
})

const fields = 'id name state acknowledged lagCount lastSeenAt createdAt source { id } apiKey { id }'
const errorFields = '... on UserError { code path message }'

export async function create(input: object = {}, as = target): Promise<Loose> {
  const { createListener } = await dataOf(
    as,
    `mutation ($input: CreateListenerInput!) {
       createListener(input: $input) { ... on ListenerPayload { listener { ${fields} } } ${errorFields} }
     }`,
    { input: { sourceId: source.id, name: 'worker', ...input } },
  )
  return createListener.listener ?? createListener
}

export async function acknowledge(input: object, as = target): Promise<Loose> {
  const { acknowledgeMessages } = await dataOf(
    as,
    `mutation ($input: AcknowledgeMessagesInput!) {
       acknowledgeMessages(input: $input) { ... on ListenerPayload { listener { acknowledged lagCount } } ${errorFields} }
     }`,
    { input },
  )
  return acknowledgeMessages.listener ?? acknowledgeMessages
}

export const eventFields = `__typename cursor source { id }
  ... on ListenerLeased { lease }
  ... on MessageReceived { message { sequence text } }
  ... on MessagesSkipped { reason fromSequence toSequence }`

export async function listener(name = 'worker', as = target): Promise<Loose> {
  return (await dataOf(as, `query ($name: String!) { listener(name: $name) { ${fields} } }`, { name })).listener
}

export async function events(first = 100, as = target): Promise<Loose[]> {
  const query = `query ($first: Int!) { listener(name: "worker") { events(first: $first) { ${eventFields} } } }`
  return (await dataOf(as, query, { first })).listener.events
}

/** Messages by sequence, gaps by what is gone, others by name. */
export function nameOf({ __typename, message, reason, fromSequence, toSequence }: Loose): string {
  if (__typename === 'MessageReceived') return `${message.sequence}`
  return __typename === 'MessagesSkipped' ? `${reason} ${fromSequence}-${toSequence}` : __typename
}

export const streamQuery = `subscription ($name: String!, $filter: MessageFilter) {
  messageReceivedByListener(name: $name, filter: $filter) { ${eventFields} }
}`

export interface ListenerStream {
  readonly subscription: Subscription
  readonly lease: string
  readonly leasedAt: string
  next(): Promise<Loose>
  take(count: number): Promise<string[]>
  /** The codes that it ends with. */
  end(): Promise<string[]>
}

export async function openStream({
  name = 'worker',
  filter = null as object | null,
  as = target,
  over = overWebSocket,
} = {}) {
  const subscription = over(as, streamQuery, { name, filter })
  const next = async () => {
    const result = await subscription.next()
    if (result?.errors) throw new Error(codesOf(result).join())
    return result.data.messageReceivedByListener
  }
  const leased = await next()
  expect(leased.__typename).toBe('ListenerLeased')
  const stream: ListenerStream = {
    subscription,
    lease: leased.lease,
    leasedAt: leased.cursor,
    next,
    async take(count) {
      const seen: string[] = []
      while (seen.length < count) seen.push(nameOf(await next()))
      return seen
    },
    async end() {
      let result = await subscription.next()
      while (result?.data) result = await subscription.next()
      const codes = codesOf(result)
      expect(await subscription.next()).toBeNull()
      return codes
    },
  }
  return stream
}

export async function publish(count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) await project.message(source)
}

export async function keep(count: number): Promise<void> {
  await gateway.sql.query(
    `update fan_out_marks set fanned_out_to = h.last_sequence from source_heads as h where h.source_id = $1`,
    [source.id],
  )
  await gateway.sql.query(`update projects set retention = $2 where id = $1`, [
    project.id,
    JSON.stringify({ maxMessages: count, maxBytes: null, maxAgeHours: null }),
  ])
  await moveFloor(gateway.sql, source.id, null)
}

/** As a reader could make it who looks into cursors. */
export function cursorLater(cursor: string, count: number): string {
  const parts = JSON.parse(Buffer.from(cursor, 'base64url').toString())
  return Buffer.from(JSON.stringify([...parts.slice(0, -1), parts.at(-1) + count])).toString('base64url')
}
