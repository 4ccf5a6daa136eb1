import { createSecretKey, type KeyObject } from 'node:crypto'
import type { Sql } from '../db/sql.ts'
import type { ProjectId, SourceId } from '../kernel/ids.ts'
import { createEpochCache, type Epochs } from '../live/epoch.ts'
import type { Sealer } from '../secrets/index.ts'
import { openSecrets } from '../secrets/secret-store.ts'
import type { IngressSource } from './ingress-source.ts'
import { hashOfToken, isToken } from './ingress-token.ts'
import type { VerificationPreset } from './source.entity.ts'

export type { AcceptedResponse, IngressSource } from './ingress-source.ts'

/** Sources on the hot path: read once, then from memory until the configuration changes. */
export interface SourceDirectory {
  /** @param token the secret part of the address, as it came. */
  byToken(token: string): Promise<IngressSource | null>
  /** By the named address. Null also where the source verifies nobody: its name alone proves nothing. */
  byQueue(projectName: string, sourceName: string): Promise<IngressSource | null>
  /** For those who have shown an API key of the project. */
  byName(projectId: ProjectId, sourceName: string): Promise<IngressSource | null>
  byId(id: SourceId): Promise<IngressSource | null>
}

/** Addresses that lead nowhere are remembered as well, so that a flood of them costs bounded memory. */
const maxCachedSources = 20_000

export function createSourceDirectory(deps: {
  readonly sql: Sql
  readonly sealer: Sealer
  readonly epochs: Epochs
}): SourceDirectory {
  const byToken = createEpochCache<string, IngressSource | null>({
    epochs: deps.epochs,
    max: maxCachedSources,
    load: async (token) =>
      await load(deps, `s.token_hash = decode($1::text, 'hex')`, hashOfToken(token).toString('hex'), 'source_by_token'),
  })
  const byId = createEpochCache<SourceId, IngressSource | null>({
    epochs: deps.epochs,
    max: maxCachedSources,
    load: async (id) => await load(deps, 's.id = $1::text', id, 'source_by_id'),
  })
  return {
    byToken: (token) => (isToken(token) ? byToken.get(token) : Promise.resolve(null)),
    byId: (id) => byId.get(id),
  }
}

interface SourceRow {
  id: SourceId
  project_id: ProjectId
  name: string
  max_body_bytes: number
  verification_preset: VerificationPreset | null
}

async function load(
  { sql, sealer }: { sql: Sql; sealer: Sealer },
  condition: string,
  value: string,
  statementName: string,
): Promise<IngressSource | null> {
  const [row] = await sql.query<SourceRow>(
    `select s.id, s.project_id, s.name, s.max_body_bytes, s.verification_preset from sources as s where ${condition}`,
    [value],
    statementName,
  )
  if (row === undefined) return null
  const source = { id: row.id, projectId: row.project_id, name: row.name, maxBodyBytes: row.max_body_bytes }
  if (row.verification_preset === null) return { ...source, verification: null }
  // A change between the two reads leaves no secret at worst, and then nothing is accepted until the next read.
  const secrets = (await openSecrets(sql, sealer, [row.id])).get(row.id) ?? []
  const keys = secrets.map((secret) => createSecretKey(Buffer.from(secret, 'utf8')))
  return { ...source, verification: { preset: row.verification_preset, secrets: keys } }
}
