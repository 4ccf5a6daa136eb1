/** What subscribers ask for: the message with its body as text. `load/subscribers.ts` looks for the sequence in its frames. */
export const messageSubscription = `subscription ($sourceIds: [ID!]!, $since: DateTime) {
  messageReceived(sourceIds: $sourceIds, since: $since) {
    __typename
    cursor
    ... on MessageReceived { message { id sequence receivedAt contentType text } }
  }
}`
