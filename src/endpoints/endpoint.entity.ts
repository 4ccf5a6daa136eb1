import { defineEntity, type InferEntity, p } from '@mikro-orm/postgresql'
import type { EndpointId, SourceId } from '../kernel/ids.ts'
import type { RateLimit } from '../projects/limits.ts'
import { ofProject } from '../projects/project.entity.ts'

export type EndpointMethod = 'POST' | 'PUT' | 'PATCH'

/** As it came in, as a CloudEvent in one JSON body or in `ce-*` headers, or `{id, event_type, data, timestamp, source, version}`. */
export type PayloadFormat = 'exact' | 'cloudevents-structured' | 'cloudevents-binary' | 'envelope'

export type AuthenticationScheme = 'basic' | 'bearer' | 'api-key'

/** Standard Webhooks `v1` and `v1a`, or `X-Webhook-Signature: sha256=…` over the body. */
export type SigningScheme = 'standard-webhooks' | 'standard-webhooks-ed25519' | 'plain-sha256'

/** Whether deliveries are attempted. */
export type EndpointStatus = 'active' | 'paused' | 'disabled'

/** An outbound HTTP destination. Who may send to it now is in `endpoint_states`. */
export const EndpointEntity = defineEntity({
  name: 'Endpoint',
  tableName: 'endpoints',
  indexes: [{ properties: ['projectId', 'id'] }],
  properties: {
    id: p.text().$type<EndpointId>().primary(),
    projectId: ofProject,
    url: p.text(),
    description: p.text().nullable(),
    /** The sources whose messages it gets; null when all of the project, also later ones. */
    sourceIds: p.array().columnType('text[]').$type<SourceId[]>().nullable(),
    /** Words to find it by. */
    labels: p
      .array()
      .columnType('text[]')
      .$type<string[]>()
      .defaultRaw(`'{}'`)
      .onCreate(() => []),
    method: p
      .text()
      .$type<EndpointMethod>()
      .defaultRaw(`'POST'`)
      .onCreate(() => 'POST'),
    /** Which messages it gets: the JSON text of a MessageFilter; null when all. */
    filter: p.text().nullable(),
    payloadFormat: p
      .text()
      .$type<PayloadFormat>()
      .defaultRaw(`'exact'`)
      .onCreate(() => 'exact'),
    /** Of the header fields that are added, in their order. */
    headerNames: p
      .array()
      .columnType('text[]')
      .$type<string[]>()
      .defaultRaw(`'{}'`)
      .onCreate(() => []),
    /** Sealed: the JSON text of these fields, a list of `{name, value, isSecret}`; null when there are none. */
    sealedHeaders: p.text().nullable().hidden(),
    /** How we prove who we are, beside the signature; null when not at all. */
    authentication: p.text().$type<AuthenticationScheme>().nullable(),
    /** The user name, or the header that holds the key. */
    authenticationName: p.text().nullable(),
    /** Sealed: the password, the token or the key. */
    sealedCredential: p.text().nullable().hidden(),
    signing: p
      .text()
      .$type<SigningScheme>()
      .defaultRaw(`'standard-webhooks'`)
      .onCreate(() => 'standard-webhooks'),
    /** The waits before each retry; null when the standard ones. */
    retryDelaysMs: p.array().columnType('int[]').$type<number[]>().nullable(),
    jitterPercent: p.integer().default(20),
    finalStatuses: p
      .array()
      .columnType('int[]')
      .$type<number[]>()
      .defaultRaw(`'{}'`)
      .onCreate(() => []),
    timeoutMs: p.integer().default(15_000),
    rateLimit: p.json().$type<RateLimit>().nullable(),
    /** Attempts at a time over all processes; null when unlimited. */
    maxConcurrency: p.integer().nullable(),
    /** Whether the deliveries of one source go one at a time, by sequence. */
    isOrdered: p.boolean().default(false),
    /** After how many hours of failing it is disabled; null when never. */
    disableAfterHours: p.integer().nullable().default(120),
    createdAt: p.datetime().columnType('timestamptz'),
    /** For filters alone: it is in `endpoint_states`. */
    status: p
      .text()
      .$type<EndpointStatus>()
      .formula((row) => `(select s.status from endpoint_states as s where s.endpoint_id = ${row.id})`)
      .lazy()
      .hidden(),
  },
})

export type Endpoint = InferEntity<typeof EndpointEntity>
