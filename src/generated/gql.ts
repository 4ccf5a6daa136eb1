/* eslint-disable */
import * as types from './graphql.ts';



/**
 * Map of all GraphQL operations in the project.
 *
 * This map has several performance disadvantages:
 * 1. It is not tree-shakeable, so it will include all operations in the project.
 * 2. It is not minifiable, so the string of a GraphQL query will be multiple times inside the bundle.
 * 3. It does not support dead code elimination, so it will add unused operations.
 *
 * Therefore it is highly recommended to use the babel or swc plugin for production.
 * Learn more about it here: https://the-guild.dev/graphql/codegen/plugins/presets/preset-client#reducing-bundle-size
 */
type Documents = {
    "\nmutation CreateSource {\n  createSource(input: { name: \"orders\" }) {\n    ... on SourcePayload { source { id name ingressUrl } }\n    ... on UserError { code message path }\n  }\n}\n": typeof types.CreateSourceDocument,
    "\nquery Sources {\n  sources(first: 10) { nodes { id name ingressUrl lastSequence } }\n}\n": typeof types.SourcesDocument,
    "\nsubscription ReceiveLive($sourceIds: [ID!]!, $after: [Cursor!]) {\n  messageReceived(sourceIds: $sourceIds, after: $after) {\n    __typename\n    cursor\n    ... on MessageReceived { message { id sequence receivedAt event { type subject } text } }\n    ... on MessagesSkipped { reason fromSequence toSequence }\n  }\n}\n": typeof types.ReceiveLiveDocument,
    "\nquery Messages {\n  source(by: { name: \"inbox\" }) {\n    id\n    lastSequence\n    messages(first: 10) {\n      nodes { id sequence receivedAt event { id type } json deliveries { nodes { id status } } }\n      pageInfo { hasNextPage endCursor }\n    }\n  }\n}\n": typeof types.MessagesDocument,
    "\nmutation CreateEndpoint {\n  createEndpoint(input: { url: \"https://example.com/webhooks\" }) {\n    ... on CreateEndpointPayload { endpoint { id url } secret }\n    ... on UserError { code message path }\n  }\n}\n": typeof types.CreateEndpointDocument,
    "\nquery Deliveries {\n  deliveries(first: 10) {\n    nodes {\n      id\n      status\n      nextAttemptAt\n      message { id }\n      endpoint { url }\n      attempts(first: 10) { nodes { number startedAt durationMs failure failureDetail response { status text } } }\n    }\n    pageInfo { hasNextPage endCursor }\n  }\n}\n": typeof types.DeliveriesDocument,
    "\nquery Refusals {\n  source(by: { name: \"inbox\" }) {\n    refusals(first: 10) { nodes { refusedAt reason status detail signature signedContentDigest clockSkewMs remoteAddress } }\n  }\n}\n": typeof types.RefusalsDocument,
    "\nmutation PublishEvents($sourceId: ID!) {\n  publishEvents(input: {\n    sourceId: $sourceId\n    events: [{ type: \"product.add\", subject: \"products/7\", data: { json: { sku: \"A-7\" } } }]\n  }) {\n    ... on PublishEventsPayload { events { messageId isDuplicate } }\n    ... on UserError { code message path }\n  }\n}\n": typeof types.PublishEventsDocument,
    "\nmutation CreateApiKey {\n  createApiKey(input: { name: \"listener\", scopes: [LISTEN, READ] }) {\n    ... on CreateApiKeyPayload { apiKey { id scopes } token }\n    ... on UserError { code message path }\n  }\n}\n": typeof types.CreateApiKeyDocument,
};
const documents: Documents = {
    "\nmutation CreateSource {\n  createSource(input: { name: \"orders\" }) {\n    ... on SourcePayload { source { id name ingressUrl } }\n    ... on UserError { code message path }\n  }\n}\n": types.CreateSourceDocument,
    "\nquery Sources {\n  sources(first: 10) { nodes { id name ingressUrl lastSequence } }\n}\n": types.SourcesDocument,
    "\nsubscription ReceiveLive($sourceIds: [ID!]!, $after: [Cursor!]) {\n  messageReceived(sourceIds: $sourceIds, after: $after) {\n    __typename\n    cursor\n    ... on MessageReceived { message { id sequence receivedAt event { type subject } text } }\n    ... on MessagesSkipped { reason fromSequence toSequence }\n  }\n}\n": types.ReceiveLiveDocument,
    "\nquery Messages {\n  source(by: { name: \"inbox\" }) {\n    id\n    lastSequence\n    messages(first: 10) {\n      nodes { id sequence receivedAt event { id type } json deliveries { nodes { id status } } }\n      pageInfo { hasNextPage endCursor }\n    }\n  }\n}\n": types.MessagesDocument,
    "\nmutation CreateEndpoint {\n  createEndpoint(input: { url: \"https://example.com/webhooks\" }) {\n    ... on CreateEndpointPayload { endpoint { id url } secret }\n    ... on UserError { code message path }\n  }\n}\n": types.CreateEndpointDocument,
    "\nquery Deliveries {\n  deliveries(first: 10) {\n    nodes {\n      id\n      status\n      nextAttemptAt\n      message { id }\n      endpoint { url }\n      attempts(first: 10) { nodes { number startedAt durationMs failure failureDetail response { status text } } }\n    }\n    pageInfo { hasNextPage endCursor }\n  }\n}\n": types.DeliveriesDocument,
    "\nquery Refusals {\n  source(by: { name: \"inbox\" }) {\n    refusals(first: 10) { nodes { refusedAt reason status detail signature signedContentDigest clockSkewMs remoteAddress } }\n  }\n}\n": types.RefusalsDocument,
    "\nmutation PublishEvents($sourceId: ID!) {\n  publishEvents(input: {\n    sourceId: $sourceId\n    events: [{ type: \"product.add\", subject: \"products/7\", data: { json: { sku: \"A-7\" } } }]\n  }) {\n    ... on PublishEventsPayload { events { messageId isDuplicate } }\n    ... on UserError { code message path }\n  }\n}\n": types.PublishEventsDocument,
    "\nmutation CreateApiKey {\n  createApiKey(input: { name: \"listener\", scopes: [LISTEN, READ] }) {\n    ... on CreateApiKeyPayload { apiKey { id scopes } token }\n    ... on UserError { code message path }\n  }\n}\n": types.CreateApiKeyDocument,
};

/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\nmutation CreateSource {\n  createSource(input: { name: \"orders\" }) {\n    ... on SourcePayload { source { id name ingressUrl } }\n    ... on UserError { code message path }\n  }\n}\n"): typeof import('./graphql.ts').CreateSourceDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\nquery Sources {\n  sources(first: 10) { nodes { id name ingressUrl lastSequence } }\n}\n"): typeof import('./graphql.ts').SourcesDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\nsubscription ReceiveLive($sourceIds: [ID!]!, $after: [Cursor!]) {\n  messageReceived(sourceIds: $sourceIds, after: $after) {\n    __typename\n    cursor\n    ... on MessageReceived { message { id sequence receivedAt event { type subject } text } }\n    ... on MessagesSkipped { reason fromSequence toSequence }\n  }\n}\n"): typeof import('./graphql.ts').ReceiveLiveDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\nquery Messages {\n  source(by: { name: \"inbox\" }) {\n    id\n    lastSequence\n    messages(first: 10) {\n      nodes { id sequence receivedAt event { id type } json deliveries { nodes { id status } } }\n      pageInfo { hasNextPage endCursor }\n    }\n  }\n}\n"): typeof import('./graphql.ts').MessagesDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\nmutation CreateEndpoint {\n  createEndpoint(input: { url: \"https://example.com/webhooks\" }) {\n    ... on CreateEndpointPayload { endpoint { id url } secret }\n    ... on UserError { code message path }\n  }\n}\n"): typeof import('./graphql.ts').CreateEndpointDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\nquery Deliveries {\n  deliveries(first: 10) {\n    nodes {\n      id\n      status\n      nextAttemptAt\n      message { id }\n      endpoint { url }\n      attempts(first: 10) { nodes { number startedAt durationMs failure failureDetail response { status text } } }\n    }\n    pageInfo { hasNextPage endCursor }\n  }\n}\n"): typeof import('./graphql.ts').DeliveriesDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\nquery Refusals {\n  source(by: { name: \"inbox\" }) {\n    refusals(first: 10) { nodes { refusedAt reason status detail signature signedContentDigest clockSkewMs remoteAddress } }\n  }\n}\n"): typeof import('./graphql.ts').RefusalsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\nmutation PublishEvents($sourceId: ID!) {\n  publishEvents(input: {\n    sourceId: $sourceId\n    events: [{ type: \"product.add\", subject: \"products/7\", data: { json: { sku: \"A-7\" } } }]\n  }) {\n    ... on PublishEventsPayload { events { messageId isDuplicate } }\n    ... on UserError { code message path }\n  }\n}\n"): typeof import('./graphql.ts').PublishEventsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\nmutation CreateApiKey {\n  createApiKey(input: { name: \"listener\", scopes: [LISTEN, READ] }) {\n    ... on CreateApiKeyPayload { apiKey { id scopes } token }\n    ... on UserError { code message path }\n  }\n}\n"): typeof import('./graphql.ts').CreateApiKeyDocument;


export function graphql(source: string) {
  return (documents as any)[source] ?? {};
}
