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

const sources = graphql(`
query Sources {
  sources(first: 10) { nodes { id name ingressUrl lastSequence } }
}
`)

const receiveLive = graphql(`
subscription ReceiveLive($sourceIds: [ID!]!, $after: [Cursor!]) {
  messageReceived(sourceIds: $sourceIds, after: $after) {
    __typename
    cursor
    ... on MessageReceived { message { id sequence receivedAt event { type subject } text } }
    ... on MessagesSkipped { reason fromSequence toSequence }
  }
}
`)

const messages = graphql(`
query Messages {
  source(by: { name: "inbox" }) {
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

const refusals = graphql(`
query Refusals {
  source(by: { name: "inbox" }) {
    refusals(first: 10) { nodes { refusedAt reason status detail signature signedContentDigest clockSkewMs remoteAddress } }
  }
}
`)

const publishEvents = graphql(`
mutation PublishEvents($sourceId: ID!) {
  publishEvents(input: {
    sourceId: $sourceId
    events: [{ type: "product.add", subject: "products/7", data: { json: { sku: "A-7" } } }]
  }) {
    ... on PublishEventsPayload { events { messageId isDuplicate } }
    ... on UserError { code message path }
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

/** All of them in one editor tab, so that the key is entered once; the play button asks which one to run. */
export const examples: string = [
  '# Put your API key under Headers below,\n# then choose an operation at the play button.\n',
  explained(sources, 'Where webhooks come in: the addresses to send to.'),
  explained(
    receiveLive,
    'What comes in, as it comes in.',
    "Put a source's id under Variables.",
    'After a break give the last cursors to `after`.',
  ),
  explained(
    createSource,
    'A further source. Senders that sign are verified by:',
    'verification: { preset: { preset: GITHUB, secret: "…" } }',
  ),
  explained(refusals, 'Who was turned away, and why: for a sender that gets 401.'),
  explained(publishEvents, 'An event of your own; `sourceId` under Variables.'),
  explained(messages, 'What came in earlier, latest first.'),
  explained(createEndpoint, 'Who gets what comes in, signed.', 'The secret is shown only here.'),
  explained(deliveries, 'What became of it, with each attempt and its answer.'),
  explained(createApiKey, 'A key for a program that only listens.', 'The token is shown only here.'),
].join('\n')

/** JSON, for the editor. */
export const exampleVariables = '{ "sourceIds": ["src_…"], "sourceId": "src_…" }'

// The generator drops comments, so they are put in front here.
function explained(document: { toString(): string }, ...lines: string[]): string {
  return `${lines.map((line) => `# ${line}\n`).join('')}${document.toString().trim()}\n`
}
