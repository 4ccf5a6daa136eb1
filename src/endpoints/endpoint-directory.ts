import type { KeyObject } from 'node:crypto'
import type { Sql } from '../db/sql.ts'
import type { EndpointId, ProjectId, SourceId } from '../kernel/ids.ts'
import { createEpochCache, type Epochs } from '../live/epoch.ts'
import type { Sealer } from '../secrets/index.ts'
import { openSecrets } from '../secrets/secret-store.ts'
import { parseSecret } from '../signatures/standard-webhooks.ts'

/** What sending to an endpoint needs to know of it. */
export interface ActiveEndpoint {
  readonly id: EndpointId
  readonly projectId: ProjectId
  readonly url: string
  /** Null when all of the project. */
  readonly sourceIds: ReadonlySet<SourceId> | null
  /** Those that count at the moment of asking: every delivery is signed with each, the newest first. */
  readonly secrets: readonly KeyObject[]
}

/** Endpoints on the hot path: read once, then from memory until the configuration changes. */
export interface EndpointDirectory {
  /**
   * @returns null when there is none (any more).
   * @throws SealError when its signing secret does not open.
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

interface EndpointRow {
  project_id: ProjectId
  url: string
  source_ids: SourceId[] | null
}

async function load(
  { sql, sealer }: { readonly sql: Sql; readonly sealer: Sealer },
  id: EndpointId,
): Promise<ActiveEndpoint | null> {
  const [row] = await sql.query<EndpointRow>(
    `select e.project_id, e.url, e.source_ids from endpoints as e where e.id = $1::text`,
    [id],
    'endpoint_by_id',
  )
  if (row === undefined) return null
  const secrets = await openSecrets(sql, sealer, id)
  // Deleted between the two reads: without a secret nothing may be sent, because it would go out unsigned.
  if (secrets.length === 0) return null
  const keys = secrets.map(({ text, expiresAt }) => ({ key: signingKey(text), expiresAt }))
  return {
    id,
    projectId: row.project_id,
    url: row.url,
    sourceIds: row.source_ids === null ? null : new Set(row.source_ids),
    // Asked anew for every delivery: an overlap ends without a change of the configuration.
    get secrets() {
      const now = Date.now()
      return keys.filter(({ expiresAt }) => expiresAt === null || expiresAt.getTime() > now).map(({ key }) => key)
    },
  }
}

function signingKey(secret: string): KeyObject {
  const key = parseSecret(secret)
  if (key === null) throw new Error('a stored signing secret has not the form that was checked before it was stored')
  return key
}
