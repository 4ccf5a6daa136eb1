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

export const listenSubscription = `subscription Listen(
  $sourceIds: [ID!]!
  $after: [Cursor!]
  $since: DateTime
  $filter: MessageFilter
) {
  messageReceived(sourceIds: $sourceIds, after: $after, since: $since, filter: $filter) {
    __typename
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

export type ListenEvent =
  | MessageEvent
  | GapEvent
  | { readonly __typename: 'CaughtUp' | 'Progressed'; readonly cursor: string }
