/** What `hookline listen` asks the gateway; `test/cli/listen-documents.test.ts` holds it against the schema. */

export const findSourceQuery = `query FindSource($name: String!) {
  source(by: { name: $name }) {
    id
    name
  }
  sources(first: 100) {
    nodes {
      name
    }
    totalCount
  }
}`

/** Answered to any key that holds. */
export const checkKeyQuery = 'query CheckKey { __typename }'

const eventFields = `__typename
    cursor
    ... on MessageReceived {
      message {
        id
        sequence
        receivedAt
        method
        path
        query
        headers {
          name
          value
        }
        contentType
        body
        event {
          id
          type
          subject
        }
      }
    }
    ... on MessagesSkipped {
      reason
      fromSequence
      toSequence
    }`

export const listenSubscription = `subscription Listen(
  $sourceIds: [ID!]!
  $after: [Cursor!]
  $since: DateTime
  $filter: MessageFilter
) {
  messageReceived(sourceIds: $sourceIds, after: $after, since: $since, filter: $filter) {
    ${eventFields}
  }
}`

export const listenByNameSubscription = `subscription ListenByName($name: String!, $filter: MessageFilter) {
  messageReceived: messageReceivedByListener(name: $name, filter: $filter) {
    ${eventFields}
    ... on ListenerLeased {
      lease
    }
  }
}`

export const findListenerQuery = `query FindListener($name: String!) {
  listener(name: $name) {
    id
    source {
      id
      name
    }
  }
}`

export const createListenerMutation = `mutation CreateListener($input: CreateListenerInput!) {
  createListener(input: $input) {
    ... on ListenerPayload {
      listener {
        id
      }
    }
    ... on UserError {
      message
    }
  }
}`

export const acknowledgeMutation = `mutation Acknowledge($input: AcknowledgeMessagesInput!) {
  acknowledgeMessages(input: $input) {
    ... on UserError {
      code
      message
    }
  }
}`

/** As the gateway writes a message. */
export interface ListenedMessage {
  readonly id: string
  readonly sequence: number
  /** RFC 3339. */
  readonly receivedAt: string
  readonly method: string
  readonly path: string | null
  /** Without `?`. */
  readonly query: string | null
  readonly headers: readonly { readonly name: string; readonly value: string }[]
  readonly contentType: string | null
  /** Base64. */
  readonly body: string
  readonly event: { readonly id: string; readonly type: string; readonly subject: string | null }
}

export interface MessageEvent {
  readonly __typename: 'MessageReceived'
  readonly cursor: string
  readonly message: ListenedMessage
}

export interface GapEvent {
  readonly __typename: 'MessagesSkipped'
  readonly cursor: string
  readonly reason: string
  readonly fromSequence: number | null
  readonly toSequence: number | null
}

/** The first event of a stream by name. */
export interface LeaseEvent {
  readonly __typename: 'ListenerLeased'
  readonly cursor: string
  readonly lease: string
}

export type ListenEvent =
  | MessageEvent
  | LeaseEvent
  | GapEvent
  | { readonly __typename: 'CaughtUp' | 'Progressed'; readonly cursor: string }
