import { graphql } from '../generated/gql.ts'

/*
 * One document per main job, as GraphiQL shows them to newcomers. They are checked against the schema whenever code is
 * generated.
 */

const createSource = graphql(`
mutation CreateSource {
  createSource(input: { name: "orders" }) {
    ... on SourcePayload { source { id name ingressUrl } }
    ... on UserError { code message path }
  }
}
`)

const receiveLive = graphql(`
subscription ReceiveLive($sourceIds: [ID!]!, $after: [Cursor!]) {
  messageReceived(sourceIds: $sourceIds, after: $after) {
    __typename
    cursor
    ... on MessageReceived { message { id sequence receivedAt method headers { name value } text } }
    ... on MessagesSkipped { reason fromSequence toSequence }
  }
}
`)

const messages = graphql(`
query Messages {
  source(by: { name: "orders" }) {
    id
    lastSequence
    messages(first: 10) {
      nodes { id sequence receivedAt event { id type } json deliveries { nodes { id status } } }
      pageInfo { hasNextPage endCursor }
    }
  }
}
`)

const createEndpoint = graphql(`
mutation CreateEndpoint {
  createEndpoint(input: { url: "https://example.com/webhooks" }) {
    ... on CreateEndpointPayload { endpoint { id url } secret }
    ... on UserError { code message path }
  }
}
`)

const deliveries = graphql(`
query Deliveries {
  deliveries(first: 10) {
    nodes {
      id
      status
      nextAttemptAt
      message { id }
      endpoint { url }
      attempts(first: 10) { nodes { number startedAt durationMs failure failureDetail response { status text } } }
    }
    pageInfo { hasNextPage endCursor }
  }
}
`)

const createApiKey = graphql(`
mutation CreateApiKey {
  createApiKey(input: { name: "listener", scopes: [LISTEN, READ] }) {
    ... on CreateApiKeyPayload { apiKey { id scopes } token }
    ... on UserError { code message path }
  }
}
`)

export interface Example {
  readonly query: string
  /** JSON, for the editor. */
  readonly variables?: string
}

export const examples: readonly Example[] = [
  {
    query: explained(
      createSource,
      'A source is an address that webhooks come in at. Senders that sign, such as GitHub, are verified:',
      'verification: { preset: { preset: GITHUB, secret: "…" } }',
    ),
  },
  {
    query: explained(
      receiveLive,
      'What comes in, as it comes in. To go on after a break, give the last cursors to `after`.',
    ),
    variables: '{ "sourceIds": ["src_…"] }',
  },
  { query: explained(messages, 'What came in earlier, latest first.') },
  { query: explained(createEndpoint, 'An endpoint gets what comes in, signed. The secret is shown only here.') },
  { query: explained(deliveries, 'What became of it, with each attempt and its answer.') },
  { query: explained(createApiKey, 'A key for a program that only listens. The token is shown only here.') },
]

// The generator drops comments, so they are put in front here.
function explained(document: { toString(): string }, ...lines: string[]): string {
  return `${lines.map((line) => `# ${line}\n`).join('')}${document.toString().trim()}\n`
}
