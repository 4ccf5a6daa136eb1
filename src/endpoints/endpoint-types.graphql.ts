import { builder } from '../graphql/builder.ts'
import { BasicCredentialsInput, HeaderCredentialInput } from '../sources/source-verification.graphql.ts'
import type { StoredAuthentication } from './endpoint-authentication.ts'
import type { RetryPolicy } from './retry-policy.ts'

export const PayloadFormatEnum = builder.enumType('PayloadFormat', {
  description: 'The form in which a message is sent.',
  values: {
    EXACT: { value: 'exact', description: 'Body and Content-Type as received, byte for byte.' },
    CLOUDEVENTS_STRUCTURED: { value: 'cloudevents-structured', description: 'A CloudEvent, all in one JSON body.' },
    CLOUDEVENTS_BINARY: {
      value: 'cloudevents-binary',
      description: 'A CloudEvent, attributes in `ce-*` headers, body as received.',
    },
    ENVELOPE: { value: 'envelope', description: 'JSON `{id, event_type, data, timestamp, source, version}`.' },
  } as const,
})

export const SigningSchemeEnum = builder.enumType('SigningScheme', {
  description: 'The form of an outbound signature.',
  values: {
    STANDARD_WEBHOOKS: {
      value: 'standard-webhooks',
      description: 'Standard Webhooks `v1`: HMAC with SHA-256, a secret of `whsec_` and base64 of 24 to 64 bytes.',
    },
    STANDARD_WEBHOOKS_ED25519: {
      value: 'standard-webhooks-ed25519',
      description:
        'Standard Webhooks `v1a`: ed25519, a secret of `whsk_` and base64 of the seed (32 bytes), with or without the public key behind it.',
    },
    PLAIN_SHA256: {
      value: 'plain-sha256',
      description:
        '`X-Webhook-Signature: sha256=…` over the body, with `X-Webhook-Event`, `-Delivery` and `-Timestamp`. The secret is any text of 16 to 256 characters, printable ones of ASCII, that does not begin like one of Standard Webhooks; the text itself is the key.',
    },
  } as const,
})

const AuthenticationSchemeEnum = builder.enumType('AuthenticationScheme', {
  description: 'The kind of proof that we give.',
  values: {
    BASIC: { value: 'basic', description: '`Authorization: Basic`.' },
    BEARER: { value: 'bearer', description: '`Authorization: Bearer` with a fixed token.' },
    API_KEY: { value: 'api-key', description: 'A key in a named header.' },
  } as const,
})

/** Where there is a proof. */
type Proof = StoredAuthentication & { readonly authentication: NonNullable<StoredAuthentication['authentication']> }

export const EndpointAuthentication = builder.objectRef<Proof>('EndpointAuthentication').implement({
  description: 'How we prove who we are to an endpoint; secrets are not shown.',
  fields: (t) => ({
    scheme: t.expose('authentication', { type: AuthenticationSchemeEnum, description: 'The kind of proof.' }),
    username: t.string({
      description: 'The user name; null unless the scheme is BASIC.',
      nullable: true,
      resolve: (proof) => (proof.authentication === 'basic' ? (proof.authenticationName ?? null) : null),
    }),
    header: t.string({
      description: 'The header that holds the key; null unless the scheme is API_KEY.',
      nullable: true,
      resolve: (proof) => (proof.authentication === 'api-key' ? (proof.authenticationName ?? null) : null),
    }),
  }),
})

export const EndpointAuthenticationInput = builder.inputType('EndpointAuthenticationInput', {
  description: 'How to prove who we are: exactly one way. Write-only.',
  isOneOf: true,
  fields: (t) => ({
    basic: t.field({
      type: BasicCredentialsInput,
      description: 'By user name (1 to 255 characters) and password (1 to 512).',
    }),
    bearer: t.string({
      description: 'By this bearer token; 1 to 4,096 characters, printable ones of ASCII without spaces.',
    }),
    apiKey: t.field({
      type: HeaderCredentialInput,
      description: 'By a key in a named header, which is not among those of `headers`; at most 8,192 characters.',
    }),
  }),
})

export const RetryPolicyType = builder.objectRef<RetryPolicy>('RetryPolicy').implement({
  description: 'When a failed attempt is repeated.',
  fields: (t) => ({
    delaysMs: t.field({
      type: ['Int'],
      description:
        'The wait before each retry in ms, at most 50; empty when there are none. `Retry-After` can lengthen one, up to a day.',
      resolve: ({ delaysMs }) => [...delaysMs],
    }),
    jitterPercent: t.exposeInt('jitterPercent', {
      description: 'By how much each wait varies at random, in percent.',
    }),
    finalStatuses: t.field({
      type: ['Int'],
      description: 'Statuses that are final failures, at most 50. 410 always is.',
      resolve: ({ finalStatuses }) => [...finalStatuses],
    }),
  }),
})

const ExponentialBackoffInput = builder.inputType('ExponentialBackoffInput', {
  description: 'Wait n is `initialDelayMs * multiplier^(n-1)`, at most `maxDelayMs`.',
  fields: (t) => ({
    maxRetries: t.int({ required: true, defaultValue: 5, description: 'How many retries; 0 to 50.' }),
    initialDelayMs: t.int({ required: true, defaultValue: 1_000, description: 'The first wait; 0 to 86,400,000 ms.' }),
    multiplier: t.float({ required: true, defaultValue: 2, description: 'By how much it grows; 1 to 10.' }),
    maxDelayMs: t.int({
      required: true,
      defaultValue: 300_000,
      description: 'The longest wait; up to 86,400,000 ms.',
    }),
  }),
})

const BackoffInput = builder.inputType('BackoffInput', {
  description: 'The waits between attempts: exactly one way to say them.',
  isOneOf: true,
  fields: (t) => ({
    delaysMs: t.intList({
      description: 'Each wait in ms, at most 50 of 0 to 86,400,000; an empty list is no retry.',
    }),
    exponential: t.field({ type: ExponentialBackoffInput, description: 'By a formula, written out into a list.' }),
  }),
})

export const RetryPolicyInput = builder.inputType('RetryPolicyInput', {
  description: 'When a failed attempt is repeated.',
  fields: (t) => ({
    backoff: t.field({
      type: BackoffInput,
      description: 'The waits; left out: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h.',
    }),
    jitterPercent: t.int({
      required: true,
      defaultValue: 20,
      description: 'By how much each wait varies at random; 0 to 50 percent.',
    }),
    finalStatuses: t.intList({
      required: true,
      defaultValue: [],
      description: 'Statuses that are final failures, at most 50; 300 to 599.',
    }),
  }),
})
