import { setTimeout as sleep } from 'node:timers/promises'
import { createClient as createStreamClient } from 'graphql-sse'
import { createClient as createSocketClient } from 'graphql-ws'
import WebSocket from 'ws'
import { type EventStreamReader, openEventStream } from '../support/event-stream.ts'
import { graphql } from '../support/graphql-client.ts'
import type { Heard } from '../support/history.ts'

/** One connection of a subscriber. */
interface Connection {
  readonly events: AsyncIterable<StreamEvent>
  /** Breaks it without a farewell, as a lost network would. */
  cut(): void
}

/** What the GraphQL subscriptions and the plain stream have in common. */
interface StreamEvent {
  readonly cursor: string
  readonly source: { readonly id: string }
  /** Of a message. */
  readonly message?: { readonly id: string; readonly sequence: number; readonly body: string }
  /** Of a gap. */
  readonly reason?: string
  readonly fromSequence?: number
  readonly toSequence?: number
  /** Of a listener's beginning. */
  readonly lease?: string
  /** Of a plain stream: takes the place of all its cursors. */
  readonly lastEventId?: string
}

/** Reads until it is closed, over connections that break: each time it comes again where it stood. */
export interface Subscriber {
  readonly name: string
  readonly heard: Heard[]
  /** Answers that made it give up a connection; a broken one answers nothing. */
  readonly refusals: string[]
  connections(): number
  /** Whether it has a place in each of its sources. */
  hasBegun(): boolean
  cut(): void
  close(): Promise<void>
}

export interface SubscriberOptions {
  readonly name: string
  /** Where to connect next. */
  baseUrl(): string
  readonly token: string
  readonly sourceIds: readonly string[]
  readonly filter?: object
}

class Refusal extends Error {}

const eventFields = `__typename cursor source { id }
  ... on MessageReceived { message { id sequence body } }
  ... on MessagesSkipped { reason fromSequence toSequence }`

const streamQuery = `subscription ($sourceIds: [ID!]!, $after: [Cursor!], $filter: MessageFilter) {
  messageReceived(sourceIds: $sourceIds, after: $after, filter: $filter) { ${eventFields} }
}`

/** `messageReceived` through the client of graphql-ws. */
export function overSocket(options: SubscriberOptions): Subscriber {
  const { sourceIds, filter = null, token } = options
  return follow(options, (baseUrl, after) =>
    openSocket({ baseUrl, token, query: streamQuery, variables: { sourceIds, filter, after } }),
  )
}

/** `messageReceived` through the client of graphql-sse. */
export function overGraphqlStream(options: SubscriberOptions): Subscriber {
  const { sourceIds, filter = null, token } = options
  return follow(options, (baseUrl, after) => {
    const headers = { authorization: `Bearer ${token}` }
    const client = createStreamClient({ url: `${baseUrl}/graphql`, headers, retryAttempts: 0 })
    const variables = { sourceIds, filter, after }
    return { events: eventsOf(client.iterate<Data>({ query: streamQuery, variables })), cut: () => client.dispose() }
  })
}

/** `GET /stream`, read as an EventSource does. */
export function overPlainStream(options: SubscriberOptions): Subscriber {
  const { sourceIds, filter, token } = options
  const query = new URLSearchParams(sourceIds.map((id) => ['source', id]))
  if (filter !== undefined) query.set('filter', JSON.stringify(filter))
  let lastEventId = ''
  return follow(options, (baseUrl) => {
    const last = lastEventId === '' ? {} : { 'last-event-id': lastEventId }
    const headers = { authorization: `Bearer ${token}`, ...last }
    const opening = openEventStream(`${baseUrl}/stream?${query}`, headers)
    async function* events(): AsyncGenerator<StreamEvent> {
      const stream = await opening
      if (stream.response.status !== 200) throw new Refusal(`${stream.response.status}`)
      for (let event = await stream.next(); event !== null; event = await stream.next()) {
        if (event.type === 'end') throw new Refusal(event.data.code)
        lastEventId = event.lastEventId
        yield eventOfPlain(event)
      }
    }
    return { events: events(), cut: () => void opening.then((stream) => stream.close()).catch(() => undefined) }
  })
}

function eventOfPlain({ type, data }: NonNullable<Awaited<ReturnType<EventStreamReader['next']>>>): StreamEvent {
  return type === 'message' ? { ...data, message: data } : data
}

const listenerQuery = `subscription ($name: String!) {
  messageReceivedByListener(name: $name) { ${eventFields} ... on ListenerLeased { lease } }
}`

/** A listener of that name. Its record is what it has acknowledged, so that nothing of it may come again. */
export async function overListener(options: SubscriberOptions): Promise<Subscriber> {
  const { name, token, sourceIds } = options
  const created = await graphql<{ createListener: { listener: { id: string } } }>(
    options.baseUrl(),
    token,
    'mutation ($input: CreateListenerInput!) { createListener(input: $input) { ... on ListenerPayload { listener { id } } } }',
    { input: { name, sourceId: sourceIds[0] } },
  )
  const listenerId = created.createListener.listener.id
  /** Shown, and not known to be acknowledged. */
  let inDoubt: StreamEvent | null = null

  async function acknowledge(cursor: string, lease: string): Promise<void> {
    // Another process than the one that streams takes acknowledgements, too.
    const { acknowledgeMessages } = await graphql<{ acknowledgeMessages: { code?: string } }>(
      options.baseUrl(),
      token,
      'mutation ($input: AcknowledgeMessagesInput!) { acknowledgeMessages(input: $input) { ... on UserError { code } } }',
      { input: { listenerId, cursor, lease } },
    )
    if (acknowledgeMessages.code !== undefined) throw new Refusal(acknowledgeMessages.code)
  }

  async function* acknowledged(events: AsyncIterable<StreamEvent>): AsyncGenerator<StreamEvent> {
    let lease = ''
    for await (const event of events) {
      if (event.lease !== undefined) {
        lease = event.lease
        // Of an acknowledgement that was not answered the next lease tells whether it holds.
        if (inDoubt !== null && inDoubt.cursor === event.cursor) yield inDoubt
        inDoubt = null
      }
      if (event.message !== undefined) {
        inDoubt = event
        await acknowledge(event.cursor, lease)
        inDoubt = null
      }
      yield event
    }
  }

  return follow(options, (baseUrl) => {
    const connection = openSocket({ baseUrl, token, query: listenerQuery, variables: { name } })
    return { ...connection, events: acknowledged(connection.events) }
  })
}

interface Data {
  readonly messageReceived?: StreamEvent
  readonly messageReceivedByListener?: StreamEvent
}

interface SocketStart {
  readonly baseUrl: string
  readonly token: string
  readonly query: string
  readonly variables: Record<string, unknown>
}

function openSocket({ baseUrl, token, query, variables }: SocketStart): Connection {
  let [socket, isCut]: [WebSocket | null, boolean] = [null, false]
  const client = createSocketClient({
    url: `${baseUrl.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${token}` },
    retryAttempts: 0,
    on: {
      opened: (opened) => {
        socket = opened as WebSocket
        if (isCut) socket.terminate()
      },
    },
  })
  return {
    events: eventsOf(client.iterate<Data>({ query, variables })),
    cut() {
      isCut = true
      socket?.terminate()
    },
  }
}

interface Result {
  readonly data?: Data | null | undefined
  readonly errors?: readonly { readonly message: string }[] | undefined
}

async function* eventsOf(results: AsyncIterable<Result>): AsyncGenerator<StreamEvent> {
  for await (const { data, errors } of results) {
    if (errors !== undefined) throw new Refusal(JSON.stringify(errors))
    const event = data?.messageReceived ?? data?.messageReceivedByListener
    if (event !== undefined) yield event
  }
}

function follow(
  { name, baseUrl, sourceIds }: SubscriberOptions,
  connect: (baseUrl: string, cursors: readonly string[]) => Connection,
): Subscriber {
  const heard: Heard[] = []
  const refusals: string[] = []
  /** The last cursor of each source. */
  const places = new Map<string, string>()
  let [connections, isClosed, cut] = [0, false, (): void => undefined]

  async function readOnce(): Promise<void> {
    const connection = connect(baseUrl(), [...places.values()])
    cut = connection.cut
    for await (const event of connection.events) {
      places.set(event.source.id, event.cursor)
      heard.push(...heardOf(event))
    }
  }

  const reading = (async () => {
    while (!isClosed) {
      connections += 1
      await readOnce().catch((error: unknown) => refusals.push(...refusalOf(error)))
      await sleep(20)
    }
  })()
  return {
    name,
    heard,
    refusals,
    connections: () => connections,
    hasBegun: () => sourceIds.every((id) => places.has(id)),
    cut: () => cut(),
    async close() {
      isClosed = true
      cut()
      await reading
    },
  }
}

function heardOf({ source, message, reason, fromSequence = 0, toSequence = 0 }: StreamEvent): Heard[] {
  const sourceId = source.id
  if (reason !== undefined) return [{ kind: 'gap', sourceId, reason, fromSequence, toSequence }]
  if (message === undefined) return []
  const { id, sequence, body } = message
  return [{ kind: 'message', sourceId, id, sequence, content: Buffer.from(body, 'base64').toString() }]
}

const endsOfConnections = [1000, 1001, 1005, 1006]

/** @returns nothing for a connection that broke. */
function refusalOf(error: unknown): string[] {
  if (error instanceof Refusal) return [error.message]
  const { code, reason } = error as { code?: unknown; reason?: unknown }
  return typeof code === 'number' && !endsOfConnections.includes(code) ? [`closed with ${code} ${String(reason)}`] : []
}
