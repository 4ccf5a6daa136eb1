import { defineEntity, type InferEntity, p } from '@mikro-orm/postgresql'
import type { SourceId } from '../kernel/ids.ts'
import type { RateLimit, Retention } from '../projects/limits.ts'
import { ofProject } from '../projects/project.entity.ts'
import type { Mapping, SignatureFormat, VerificationPreset } from '../signatures/index.ts'

export type { VerificationPreset } from '../signatures/index.ts'

/** Methods that a source can accept. */
export type AcceptedMethod = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** The rules of every scheme but the presets'; of a preset only what it needs beyond its name. */
export type VerificationOptions =
  | { readonly scheme: 'PRESET'; readonly verifyTokenSealed: string }
  | { readonly scheme: 'SIGNATURE'; readonly format: SignatureFormat }
  | { readonly scheme: 'API_KEY'; readonly header: string }
  | { readonly scheme: 'BEARER' }
  | { readonly scheme: 'BASIC'; readonly username: string }

/** An answer as it is stored: the values of secret header fields are sealed. */
export interface StoredResponse {
  readonly status: number
  readonly headers: readonly StoredHeader[]
  readonly body: string
}

export type StoredHeader =
  | { readonly name: string; readonly value: string }
  | { readonly name: string; readonly sealed: string }

/** A named place that messages come in at. Its log's state is in `source_heads`, which configuration never writes. */
export const SourceEntity = defineEntity({
  name: 'Source',
  tableName: 'sources',
  uniques: [{ properties: ['projectId', 'name'] }],
  indexes: [
    {
      name: 'sources_system_index',
      expression: 'create unique index "sources_system_index" on "sources" ("project_id") where is_system',
    },
  ],
  properties: {
    id: p.text().$type<SourceId>().primary(),
    projectId: ofProject,
    name: p.text(),
    /** Whether it is the one that the gateway itself records in; nothing else can, so that it has no address. */
    isSystem: p.boolean().default(false),
    /** SHA-256 of the token in the address: what ingress looks the source up by. Null without a secret address. */
    tokenHash: p.blob().unique().nullable().hidden(),
    /** The token itself, so that the address can be shown again to those who may manage the source. */
    tokenSealed: p.text().nullable().hidden(),
    /** Whose rules the senders follow; null when it is no known provider's. The secrets are in `secrets`. */
    verificationPreset: p.text().$type<VerificationPreset>().nullable(),
    /** Null, together with the preset, when the token in the address is all. */
    verificationOptions: p.json<VerificationOptions>().nullable().hidden(),
    /** Then requests are answered as if there were no such source. */
    isPaused: p.boolean().default(false),
    /** One or more; none in a built-in source. */
    allowedMethods: p.array().columnType('text[]').$type<AcceptedMethod[]>().defaultRaw(`'{GET,POST}'`),
    /** Addresses and CIDR networks in their canonical spelling; empty when requests may come from anywhere. */
    allowedNetworks: p.array().columnType('text[]').$type<string[]>().defaultRaw(`'{}'`),
    requiresJson: p.boolean().default(false),
    /** Null when nothing is said. */
    mapping: p.json<Mapping>().nullable(),
    duplicateWindowMs: p.integer().default(86_400_000),
    /** Null: unlimited. */
    rateLimit: p.json<RateLimit>().nullable(),
    /** Null: the project's rule. */
    retention: p.json<Retention>().nullable(),
    /** Null: what the preset's provider asks for, or 202 and a receipt. */
    acceptedResponse: p.json<StoredResponse>().nullable().hidden(),
    /** Bytes. */
    maxBodyBytes: p.integer(),
    createdAt: p.datetime().columnType('timestamptz'),
  },
})

export type Source = InferEntity<typeof SourceEntity>
