/* eslint-disable */
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { DocumentTypeDecoration } from '@graphql-typed-document-node/core';
/** What a key may do. ADMIN includes all others; MANAGE includes READ. */
export type ApiKeyScope =
  /** Keys. */
  | 'ADMIN'
  /** Reserved for HTTP jobs; opens nothing yet. */
  | 'JOBS'
  /** Read and stream messages, and own listeners. */
  | 'LISTEN'
  /** Sources and endpoints. */
  | 'MANAGE'
  /** Reserved for publishing events; opens nothing yet. */
  | 'PUBLISH'
  /** See configuration and deliveries, but no secrets. */
  | 'READ';

/** What went wrong with an attempt; stable names. */
export type AttemptFailure =
  /** The outbound guard does not connect to the address. */
  | 'ADDRESS_REFUSED'
  /** Nobody listens at the address. */
  | 'CONNECTION_REFUSED'
  /** The connection broke off. */
  | 'CONNECTION_RESET'
  /** No connection in time (5 s). */
  | 'CONNECTION_TIMEOUT'
  /** The name does not resolve. */
  | 'DNS'
  /** The answer is not HTTP. */
  | 'RESPONSE_INVALID'
  /** No complete answer in time. */
  | 'RESPONSE_TIMEOUT'
  /** An answer other than 2xx. */
  | 'STATUS'
  /** Another failure of TLS. */
  | 'TLS'
  /** The certificate has expired or is not valid yet. */
  | 'TLS_EXPIRED'
  /** The certificate is self-signed or of an unknown authority. */
  | 'TLS_UNTRUSTED'
  /** The certificate is for another host. */
  | 'TLS_WRONG_HOST'
  /** Reserved for a process that died under its request; nothing records it yet. */
  | 'WORKER_LOST';

/** How far a delivery is. The last four are final; FAILED and CANCELED until someone asks for a retry. */
export type DeliveryStatus =
  /** Called off. */
  | 'CANCELED'
  /** Answered with 2xx. */
  | 'DELIVERED'
  /** Its message was dropped by retention before it was delivered. */
  | 'EXPIRED'
  /** Given up: a dead letter. */
  | 'FAILED'
  /** Not yet attempted. */
  | 'PENDING'
  /** Attempted in vain, to be attempted again. */
  | 'RETRYING';

/** What is wrong, for programs. */
export type ErrorCode =
  /** Another reader holds the listener now. */
  | 'LEASE_LOST'
  /** The project has as many of these as it may have. */
  | 'LIMIT_REACHED'
  /** The value has not the form that is asked for. */
  | 'MALFORMED'
  /** The name is in use. */
  | 'NAME_TAKEN'
  /** There is no such object, or not in this project. */
  | 'NOT_FOUND'
  /** The value is outside the stated bounds. */
  | 'OUT_OF_RANGE'
  /** A value is needed here. */
  | 'REQUIRED'
  /** The event breaks the JSON Schema of its type. */
  | 'SCHEMA_VIOLATED'
  /** The object is not in a state that allows this. */
  | 'STATE_CONFLICT'
  /** The address is one that the outbound guard does not connect to. */
  | 'URL_REFUSED';

/** Why a request was turned away. */
export type RefusalReason =
  /** The sender's address is not on the list (403). */
  | 'ADDRESS_NOT_ALLOWED'
  /** The body is not JSON where that is demanded, or is not a valid CloudEvent (400). */
  | 'BODY_MALFORMED'
  /** The body is over the limit (413). */
  | 'BODY_TOO_LARGE'
  /** The signature or credential is missing (401). */
  | 'CREDENTIAL_MISSING'
  /** The signature or credential is wrong (401; 403 in a handshake). */
  | 'CREDENTIAL_WRONG'
  /** The body has a form or coding that is not accepted (415). */
  | 'FORMAT_NOT_ACCEPTED'
  /** The idempotency key is malformed (400) or was used with another body (422). */
  | 'IDEMPOTENCY_KEY'
  /** The source does not accept the method (405). */
  | 'METHOD_NOT_ALLOWED'
  /** Too many requests (429). */
  | 'RATE_LIMITED'
  /** The event breaks the schema of its type (422). */
  | 'SCHEMA_VIOLATED'
  /** The signature's time is missing, malformed or too far off (401). */
  | 'TIMESTAMP_OFF';

/** Why messages were skipped. */
export type SkipReason =
  /** The data was restored from a backup: messages that were read may be gone, and sequences may come again. */
  | 'RESTORED'
  /** Retention by age, count or size dropped them. */
  | 'RETENTION';

export type CreateSourceMutationVariables = Exact<{ [key: string]: never; }>;


export type CreateSourceMutation = { createSource:
    | { code: ErrorCode, message: string, path: Array<string> | null }
    | { code: ErrorCode, message: string, path: Array<string> | null }
    | { source: { id: string, name: string, ingressUrl: string | null } }
    | { code: ErrorCode, message: string, path: Array<string> | null }
   };

export type SourcesQueryVariables = Exact<{ [key: string]: never; }>;


export type SourcesQuery = { sources: { nodes: Array<{ id: string, name: string, ingressUrl: string | null, lastSequence: number }> } };

export type ReceiveLiveSubscriptionVariables = Exact<{
  sourceIds: Array<string | number> | string | number;
  after?: Array<string> | string | null | undefined;
}>;


export type ReceiveLiveSubscription = { messageReceived:
    | { __typename: 'CaughtUp', cursor: string }
    | { __typename: 'ListenerLeased', cursor: string }
    | { __typename: 'MessageReceived', cursor: string, message: { id: string, sequence: number, receivedAt: string, text: string | null, event: { type: string, subject: string | null } } }
    | { __typename: 'MessagesSkipped', reason: SkipReason, fromSequence: number | null, toSequence: number | null, cursor: string }
    | { __typename: 'Progressed', cursor: string }
   };

export type MessagesQueryVariables = Exact<{ [key: string]: never; }>;


export type MessagesQuery = { source: { id: string, lastSequence: number, messages: { nodes: Array<{ id: string, sequence: number, receivedAt: string, json: unknown, event: { id: string, type: string }, deliveries: { nodes: Array<{ id: string, status: DeliveryStatus }> } }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } } | null };

export type CreateEndpointMutationVariables = Exact<{ [key: string]: never; }>;


export type CreateEndpointMutation = { createEndpoint:
    | { secret: string, endpoint: { id: string, url: string } }
    | { code: ErrorCode, message: string, path: Array<string> | null }
    | { code: ErrorCode, message: string, path: Array<string> | null }
   };

export type DeliveriesQueryVariables = Exact<{ [key: string]: never; }>;


export type DeliveriesQuery = { deliveries: { nodes: Array<{ id: string, status: DeliveryStatus, nextAttemptAt: string | null, message: { id: string } | null, endpoint: { url: string } | null, attempts: { nodes: Array<{ number: number, startedAt: string, durationMs: number | null, failure: AttemptFailure | null, failureDetail: string | null, response: { status: number, text: string | null } | null }> } }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } };

export type RefusalsQueryVariables = Exact<{ [key: string]: never; }>;


export type RefusalsQuery = { source: { refusals: { nodes: Array<{ refusedAt: string, reason: RefusalReason, status: number, detail: string, signature: string | null, signedContentDigest: string | null, clockSkewMs: number | null, remoteAddress: string }> } } | null };

export type PublishEventsMutationVariables = Exact<{
  sourceId: string | number;
}>;


export type PublishEventsMutation = { publishEvents:
    | { code: ErrorCode, message: string, path: Array<string> | null }
    | { events: Array<{ messageId: string, isDuplicate: boolean }> }
    | { code: ErrorCode, message: string, path: Array<string> | null }
   };

export type CreateApiKeyMutationVariables = Exact<{ [key: string]: never; }>;


export type CreateApiKeyMutation = { createApiKey:
    | { token: string, apiKey: { id: string, scopes: Array<ApiKeyScope> } }
    | { code: ErrorCode, message: string, path: Array<string> | null }
    | { code: ErrorCode, message: string, path: Array<string> | null }
   };

export class TypedDocumentString<TResult, TVariables>
  extends String
  implements DocumentTypeDecoration<TResult, TVariables>
{
  __apiType?: NonNullable<DocumentTypeDecoration<TResult, TVariables>['__apiType']>;
  private value: string;
  public __meta__?: Record<string, any> | undefined;

  constructor(value: string, __meta__?: Record<string, any> | undefined) {
    super(value);
    this.value = value;
    this.__meta__ = __meta__;
  }

  override toString(): string & DocumentTypeDecoration<TResult, TVariables> {
    return this.value;
  }
}

export const CreateSourceDocument = new TypedDocumentString(`
    mutation CreateSource {
  createSource(input: { name: "orders" }) {
    ... on SourcePayload {
      source {
        id
        name
        ingressUrl
      }
    }
    ... on UserError {
      code
      message
      path
    }
  }
}
    `) as unknown as TypedDocumentString<CreateSourceMutation, CreateSourceMutationVariables>;
export const SourcesDocument = new TypedDocumentString(`
    query Sources {
  sources(first: 10) {
    nodes {
      id
      name
      ingressUrl
      lastSequence
    }
  }
}
    `) as unknown as TypedDocumentString<SourcesQuery, SourcesQueryVariables>;
export const ReceiveLiveDocument = new TypedDocumentString(`
    subscription ReceiveLive($sourceIds: [ID!]!, $after: [Cursor!]) {
  messageReceived(sourceIds: $sourceIds, after: $after) {
    __typename
    cursor
    ... on MessageReceived {
      message {
        id
        sequence
        receivedAt
        event {
          type
          subject
        }
        text
      }
    }
    ... on MessagesSkipped {
      reason
      fromSequence
      toSequence
    }
  }
}
    `) as unknown as TypedDocumentString<ReceiveLiveSubscription, ReceiveLiveSubscriptionVariables>;
export const MessagesDocument = new TypedDocumentString(`
    query Messages {
  source(by: { name: "inbox" }) {
    id
    lastSequence
    messages(first: 10) {
      nodes {
        id
        sequence
        receivedAt
        event {
          id
          type
        }
        json
        deliveries {
          nodes {
            id
            status
          }
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
}
    `) as unknown as TypedDocumentString<MessagesQuery, MessagesQueryVariables>;
export const CreateEndpointDocument = new TypedDocumentString(`
    mutation CreateEndpoint {
  createEndpoint(input: { url: "https://example.com/webhooks" }) {
    ... on CreateEndpointPayload {
      endpoint {
        id
        url
      }
      secret
    }
    ... on UserError {
      code
      message
      path
    }
  }
}
    `) as unknown as TypedDocumentString<CreateEndpointMutation, CreateEndpointMutationVariables>;
export const DeliveriesDocument = new TypedDocumentString(`
    query Deliveries {
  deliveries(first: 10) {
    nodes {
      id
      status
      nextAttemptAt
      message {
        id
      }
      endpoint {
        url
      }
      attempts(first: 10) {
        nodes {
          number
          startedAt
          durationMs
          failure
          failureDetail
          response {
            status
            text
          }
        }
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
    `) as unknown as TypedDocumentString<DeliveriesQuery, DeliveriesQueryVariables>;
export const RefusalsDocument = new TypedDocumentString(`
    query Refusals {
  source(by: { name: "inbox" }) {
    refusals(first: 10) {
      nodes {
        refusedAt
        reason
        status
        detail
        signature
        signedContentDigest
        clockSkewMs
        remoteAddress
      }
    }
  }
}
    `) as unknown as TypedDocumentString<RefusalsQuery, RefusalsQueryVariables>;
export const PublishEventsDocument = new TypedDocumentString(`
    mutation PublishEvents($sourceId: ID!) {
  publishEvents(
    input: {
      sourceId: $sourceId
      events: [{ type: "product.add", subject: "products/7", data: { json: { sku: "A-7" } } }]
    }
  ) {
    ... on PublishEventsPayload {
      events {
        messageId
        isDuplicate
      }
    }
    ... on UserError {
      code
      message
      path
    }
  }
}
    `) as unknown as TypedDocumentString<PublishEventsMutation, PublishEventsMutationVariables>;
export const CreateApiKeyDocument = new TypedDocumentString(`
    mutation CreateApiKey {
  createApiKey(input: { name: "listener", scopes: [LISTEN, READ] }) {
    ... on CreateApiKeyPayload {
      apiKey {
        id
        scopes
      }
      token
    }
    ... on UserError {
      code
      message
      path
    }
  }
}
    `) as unknown as TypedDocumentString<CreateApiKeyMutation, CreateApiKeyMutationVariables>;