import type { Sql } from '../db/sql.ts'
import { parseAddressSet } from '../kernel/address-set.ts'
import type { ProjectId, SourceId } from '../kernel/ids.ts'
import { createEpochCache, type EpochCache, type Epochs } from '../live/epoch.ts'
import { isName } from '../projects/input-checks.ts'
import type { Sealer } from '../secrets/index.ts'
import { openSecrets } from '../secrets/secret-store.ts'
import {
  type AcceptedResponse,
  acceptedResponseOfPreset,
  createVerifier,
  type Mapping,
  mappingOfPreset,
} from '../signatures/index.ts'
import { openResponse } from './accepted-response.ts'
import type { IngressSource } from './ingress-source.ts'
import { hashOfToken, isToken } from './ingress-token.ts'
import {
  findSource,
  idLookup,
  type Lookup,
  nameLookup,
  queueLookup,
  type SourceRow,
  tokenLookup,
} from './source-lookup.ts'
import { rulesOf } from './source-verification.ts'

export type { IngressSource } from './ingress-source.ts'

/**
 * Sources on the hot path: read once, then from memory until the configuration changes. All answers are null for a
 * source that is paused, and for a built-in one.
 *
 * All throw SealError when a secret of this source does not open; then nobody can be verified.
 */
export interface SourceDirectory {
  /** @param token the secret part of the address, as it came; a former one leads to its source until its overlap ends. */
  byToken(token: string): Promise<IngressSource | null>
  /** By the named address. Null also where the source verifies nobody: its name alone proves nothing. */
  byQueue(projectName: string, sourceName: string): Promise<IngressSource | null>
  /** For those who have shown an API key of the project. */
  byName(projectId: ProjectId, sourceName: string): Promise<IngressSource | null>
  byId(id: SourceId): Promise<IngressSource | null>
}

interface Deps {
  readonly sql: Sql
  readonly sealer: Sealer
  readonly epochs: Epochs
}

/** Addresses that lead nowhere are remembered as well, so that a flood of them costs bounded memory. */
const maxCachedSources = 20_000

export function createSourceDirectory(deps: Deps): SourceDirectory {
  const byToken = cacheOf(deps, tokenLookup, (token) => [hashOfToken(token).toString('hex')])
  const byQueue = cacheOf(deps, queueLookup, splitNames)
  const byName = cacheOf(deps, nameLookup, splitNames)
  const byId = cacheOf(deps, idLookup, (id) => [id])
  return {
    async byToken(token) {
      return isToken(token) ? nowOf(await byToken.get(token)) : null
    },
    async byQueue(projectName, sourceName) {
      if (!isName(projectName) || !isName(sourceName)) return null
      const source = nowOf(await byQueue.get(`${projectName}/${sourceName}`))
      return source?.verifier ? source : null
    },
    async byName(projectId, sourceName) {
      return isName(sourceName) ? nowOf(await byName.get(`${projectId}/${sourceName}`)) : null
    },
    async byId(id) {
      return nowOf(await byId.get(id))
    },
  }
}

// Neither names nor ids hold a slash.
function splitNames(key: string): string[] {
  return key.split('/')
}

/** What an address leads to. */
interface Target {
  readonly source: IngressSource
  /** When the address ends, in ms since 1970; null when it stays. */
  readonly endsAtMs: number | null
}

// An overlap ends without a change of the configuration.
function nowOf(target: Target | null): IngressSource | null {
  if (target === null || (target.endsAtMs !== null && target.endsAtMs <= Date.now())) return null
  return target.source
}

function cacheOf(
  deps: Deps,
  lookup: Lookup,
  valuesOf: (key: string) => readonly string[],
): EpochCache<string, Target | null> {
  const load = (key: string) => loadTarget(deps, lookup, valuesOf(key))
  return createEpochCache({ epochs: deps.epochs, max: maxCachedSources, load })
}

async function loadTarget(deps: Deps, lookup: Lookup, values: readonly string[]): Promise<Target | null> {
  const row = await findSource(deps.sql, lookup, values)
  if (row === null) return null
  return { source: await prepare(deps, row), endsAtMs: row.ends_at?.getTime() ?? null }
}

async function prepare({ sql, sealer }: Deps, row: SourceRow): Promise<IngressSource> {
  const { id, verification_preset: preset } = row
  const stored = { id, verificationPreset: preset, verificationOptions: row.verification_options }
  const rules = rulesOf(sealer, stored)
  const ownMapping = row.mapping ?? nothingSaid
  return {
    id,
    projectId: row.project_id,
    name: row.name,
    maxBodyBytes: row.max_body_bytes,
    allowedMethods: row.allowed_methods,
    allowedNetworks: row.allowed_networks.length === 0 ? null : parseAddressSet(row.allowed_networks),
    requiresJson: row.requires_json,
    // A change between the two reads leaves no secret at worst, and then nothing is accepted until the next read.
    verifier: rules === null ? null : createVerifier(rules, await openSecrets(sql, sealer, id)),
    preset,
    ownMapping,
    mapping: preset === null ? ownMapping : completed(ownMapping, mappingOfPreset(preset)),
    duplicateWindowMs: row.duplicate_window_ms,
    rateLimit: row.rate_limit,
    projectRateLimit: row.project_rate_limit,
    acceptedResponse: responseOf(sealer, row),
  }
}

function responseOf(
  sealer: Sealer,
  { id, verification_preset: preset, accepted_response: own }: SourceRow,
): AcceptedResponse | null {
  if (own !== null) return openResponse(sealer, id, own)
  return preset === null ? null : acceptedResponseOfPreset(preset)
}

const nothingSaid: Mapping = { id: null, type: null, subject: null }

function completed(own: Mapping, preset: Mapping): Mapping {
  return { id: own.id ?? preset.id, type: own.type ?? preset.type, subject: own.subject ?? preset.subject }
}
