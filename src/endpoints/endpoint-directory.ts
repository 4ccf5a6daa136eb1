import type { KeyObject } from 'node:crypto'
import type { Sql } from '../db/sql.ts'
import type { EndpointId, ProjectId, SourceId } from '../kernel/ids.ts'
import { createEpochCache, type Epochs } from '../live/epoch.ts'
import type { RateLimit } from '../projects/limits.ts'
import type { Sealer } from '../secrets/index.ts'
import { openSecrets } from '../secrets/secret-store.ts'
import type { EndpointMethod, PayloadFormat, SigningScheme } from './endpoint.entity.ts'
import { authenticationHeader, type StoredAuthentication } from './endpoint-authentication.ts'
import { type HeaderField, openHeaders } from './endpoint-headers.ts'
import { policyOf, type RetryPolicy } from './retry-policy.ts'
import { type SigningKey, signingKeyOf } from './signing-secret.ts'

/** What sending to an endpoint needs to know of it. */
export interface ActiveEndpoint {
  readonly id: EndpointId
  readonly projectId: ProjectId
  readonly url: string
  /** Null when all of the project, but for the built-in one. */
  readonly sourceIds: ReadonlySet<SourceId> | null
  readonly method: EndpointMethod
  readonly payloadFormat: PayloadFormat
  /** What the client added; none of them is one that we set ourselves. */
  readonly headers: readonly HeaderField[]
  /** The ready header, such as `Authorization: Bearer …`; null when there is none. */
  readonly authentication: HeaderField | null
  /** The form of the newest secret. */
  readonly signing: SigningScheme
  /**
   * Those that count at the moment of asking, the newest first, and sign in the headers of `signing`: keys for HMACs, or
   * ed25519 private keys (`key.type === 'private'`), which share `webhook-signature` with the HMACs of Standard Webhooks.
   */
  readonly secrets: readonly KeyObject[]
  /**
   * In the overlap after a change between Standard Webhooks and the plain form: those that still sign, beside `secrets`,
   * in the headers of the form before it. Otherwise none.
   */
  readonly otherSecrets: readonly KeyObject[]
  readonly retryPolicy: RetryPolicy
  /** For one whole attempt. */
  readonly timeoutMs: number
  readonly rateLimit: RateLimit | null
  /** Attempts at a time, over all processes. */
  readonly maxConcurrency: number | null
  /** Whether the deliveries of one source go one at a time, by sequence. */
  readonly isOrdered: boolean
  /** How long it may fail until it is disabled; null when for ever. */
  readonly disableAfterMs: number | null
}

/** Endpoints on the hot path: read once, then from memory until the configuration changes. */
export interface EndpointDirectory {
  /**
   * @returns null when there is none (any more).
   * @throws SealError when a secret, a header or the credential does not open.
   */
  byId(id: EndpointId): Promise<ActiveEndpoint | null>
}

const maxCachedEndpoints = 20_000

export function createEndpointDirectory(deps: {
  readonly sql: Sql
  readonly sealer: Sealer
  readonly epochs: Epochs
}): EndpointDirectory {
  const byId = createEpochCache<EndpointId, ActiveEndpoint | null>({
    epochs: deps.epochs,
    max: maxCachedEndpoints,
    load: (id) => load(deps, id),
  })
  return { byId: (id) => byId.get(id) }
}

interface EndpointRow extends StoredAuthentication {
  id: EndpointId
  projectId: ProjectId
  url: string
  sourceIds: SourceId[] | null
  method: EndpointMethod
  payloadFormat: PayloadFormat
  sealedHeaders: string | null
  retryDelaysMs: number[] | null
  jitterPercent: number
  finalStatuses: number[]
  timeoutMs: number
  rateLimit: RateLimit | null
  maxConcurrency: number | null
  isOrdered: boolean
  disableAfterHours: number | null
}

const endpointText = `
  select e.id, e.project_id as "projectId", e.url, e.source_ids as "sourceIds", e.method,
         e.payload_format as "payloadFormat", e.sealed_headers as "sealedHeaders", e.authentication,
         e.authentication_name as "authenticationName", e.sealed_credential as "sealedCredential",
         e.retry_delays_ms as "retryDelaysMs", e.jitter_percent as "jitterPercent",
         e.final_statuses as "finalStatuses", e.timeout_ms as "timeoutMs", e.rate_limit as "rateLimit",
         e.max_concurrency as "maxConcurrency", e.is_ordered as "isOrdered",
         e.disable_after_hours as "disableAfterHours"
    from endpoints as e
   where e.id = $1::text`

async function load(
  { sql, sealer }: { readonly sql: Sql; readonly sealer: Sealer },
  id: EndpointId,
): Promise<ActiveEndpoint | null> {
  const [row] = await sql.query<EndpointRow>(endpointText, [id], 'endpoint_by_id')
  if (row === undefined) return null
  const secrets = await openSecrets(sql, sealer, id)
  const keys = secrets.map(({ text, expiresAt }) => ({ ...signingKeyOf(text), expiresAt }))
  const [newest] = keys
  // Deleted between the two reads: without a secret nothing may be sent, because it would go out unsigned.
  if (newest === undefined) return null
  // Not the row's, which may be from before a rotation that the second read saw.
  const signing = newest.scheme
  return {
    ...configurationOf(row),
    id,
    signing,
    headers: openHeaders(sealer, row),
    authentication: authenticationHeader(sealer, row),
    // Asked anew for every delivery: an overlap ends without a change of the configuration.
    get secrets() {
      return countingKeys(keys, ({ scheme }) => isPlain(scheme) === isPlain(signing))
    },
    get otherSecrets() {
      return countingKeys(keys, ({ scheme }) => isPlain(scheme) !== isPlain(signing))
    },
  }
}

type Configuration = Omit<ActiveEndpoint, 'id' | 'signing' | 'headers' | 'authentication' | 'secrets' | 'otherSecrets'>

const hourMs = 3_600_000

function configurationOf(row: EndpointRow): Configuration {
  return {
    projectId: row.projectId,
    url: row.url,
    sourceIds: row.sourceIds === null ? null : new Set(row.sourceIds),
    method: row.method,
    payloadFormat: row.payloadFormat,
    retryPolicy: policyOf(row),
    timeoutMs: row.timeoutMs,
    rateLimit: row.rateLimit,
    maxConcurrency: row.maxConcurrency,
    isOrdered: row.isOrdered,
    disableAfterMs: row.disableAfterHours === null ? null : row.disableAfterHours * hourMs,
  }
}

interface KeptKey extends SigningKey {
  readonly expiresAt: Date | null
}

function countingKeys(keys: readonly KeptKey[], isMeant: (key: SigningKey) => boolean): KeyObject[] {
  const now = Date.now()
  return keys
    .filter((kept) => isMeant(kept) && (kept.expiresAt === null || kept.expiresAt.getTime() > now))
    .map(({ key }) => key)
}

function isPlain(scheme: SigningScheme): boolean {
  return scheme === 'plain-sha256'
}
