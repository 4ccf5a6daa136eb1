import { createClient } from 'graphql-ws'
import WebSocket from 'ws'

export interface StreamedMessage {
  readonly id: string
  readonly sequence: number
  readonly body: string
}

export interface MessageEvent {
  readonly __typename: 'MessageReceived' | 'MessagesSkipped' | 'CaughtUp' | 'Progressed'
  readonly cursor: string
  readonly message?: StreamedMessage
  /** Of what was skipped. */
  readonly fromSequence?: number
  readonly toSequence?: number
}

/** A subscriber that goes on after its last cursor whenever its connection ends, as a client of ours should. */
export interface StreamReader {
  /** Messages in the order in which they came. */
  readonly messages: StreamedMessage[]
  readonly events: MessageEvent[]
  /** How often it had to connect. */
  connections(): number
  close(): Promise<void>
}

const query = `subscription ($sourceIds: [ID!]!, $after: [Cursor!]) {
  messageReceived(sourceIds: $sourceIds, after: $after) {
    __typename
    cursor
    ... on MessageReceived { message { id sequence body } }
    ... on MessagesSkipped { fromSequence toSequence }
  }
}`

/** Reads from `after`, or from now on. Its first event shows that it is subscribed. */
export function readStream(start: { baseUrl: string; token: string; sourceId: string; after?: string }): StreamReader {
  const { baseUrl } = start
  let { after } = start
  let isClosed = false
  let connections = 0
  let end = () => {}
  const messages: StreamedMessage[] = []
  const events: MessageEvent[] = []

  async function readOnce(): Promise<void> {
    connections += 1
    const client = createClient({
      url: `${baseUrl.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { authorization: `Bearer ${start.token}` },
      retryAttempts: 0,
      lazy: true,
    })
    end = () => void client.terminate()
    const variables = { sourceIds: [start.sourceId], after: after === undefined ? null : [after] }
    for await (const result of client.iterate<{ messageReceived: MessageEvent }>({ query, variables })) {
      if (result.errors !== undefined) throw new Error(JSON.stringify(result.errors))
      const event = result.data?.messageReceived
      if (event === undefined) continue
      after = event.cursor
      events.push(event)
      if (event.message !== undefined) messages.push(event.message)
    }
  }

  const reading = (async () => {
    while (!isClosed) {
      await readOnce().catch(() => undefined)
      if (!isClosed) await new Promise((resolve) => setTimeout(resolve, 20))
    }
  })()

  return {
    messages,
    events,
    connections: () => connections,
    async close() {
      isClosed = true
      end()
      await reading
    },
  }
}
