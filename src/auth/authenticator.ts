import { timingSafeEqual } from 'node:crypto'
import type { Sql } from '../db/sql.ts'
import type { ApiKeyId, ProjectId, SourceId } from '../kernel/ids.ts'
import { createEpochCache, type Epochs } from '../live/epoch.ts'
import { parseAuthorization } from './api-key-token.ts'
import type { Scope } from './scopes.ts'
import type { Viewer } from './viewer.ts'

export interface Authenticator {
  /**
   * @param authorization the header's value, `Bearer hk_…`.
   * @returns null for whatever is not a key that holds now: the caller is not told which it was.
   */
  authenticate(authorization: string | undefined): Promise<Viewer | null>
  /**
   * Whom a key stands for now that proved itself in another way or earlier: by a ticket, or at the opening of a socket.
   * Null when it does not hold.
   */
  viewerOf(keyId: ApiKeyId): Promise<Viewer | null>
}

interface StoredKey {
  readonly secretHash: Buffer
  readonly isRevoked: boolean
  readonly viewer: Viewer
}

/** Unknown ids count as well, so that a flood of invented ones costs bounded memory. */
const maxCachedKeys = 10_000

// Compared with when the id is unknown, so that the answer takes as long as for a wrong secret.
const noSecretHash = Buffer.alloc(32)

/** Checks API keys. What it knows of a key is read again after each change of configuration. */
export function createAuthenticator(deps: { readonly sql: Sql; readonly epochs: Epochs }): Authenticator {
  const keys = createEpochCache<ApiKeyId, StoredKey | null>({
    epochs: deps.epochs,
    max: maxCachedKeys,
    load: (keyId) => loadKey(deps.sql, keyId),
  })
  return {
    async authenticate(authorization) {
      const presented = parseAuthorization(authorization)
      if (presented === null) return null
      const key = await keys.get(presented.keyId)
      const isSame = timingSafeEqual(presented.secretHash, key?.secretHash ?? noSecretHash)
      return key !== null && isSame && holds(key) ? key.viewer : null
    },
    async viewerOf(keyId) {
      const key = await keys.get(keyId)
      return key !== null && holds(key) ? key.viewer : null
    },
  }
}

// Time passes without a change of configuration, so that the end of a key is looked at every time.
function holds({ isRevoked, viewer }: StoredKey): boolean {
  return !isRevoked && (viewer.expiresAt === null || viewer.expiresAt.getTime() > Date.now())
}

interface KeyRow {
  project_id: ProjectId
  secret_hash: Buffer
  scopes: Scope[]
  source_ids: SourceId[] | null
  expires_at: Date | null
  revoked_at: Date | null
}

async function loadKey(sql: Sql, keyId: ApiKeyId): Promise<StoredKey | null> {
  const [row] = await sql.query<KeyRow>(
    `select k.project_id, k.secret_hash, k.scopes, k.source_ids, k.expires_at, k.revoked_at
       from api_keys as k
      where k.id = $1::text`,
    [keyId],
    'api_key_by_id',
  )
  if (row === undefined) return null
  const viewer = {
    keyId,
    projectId: row.project_id,
    scopes: new Set(row.scopes),
    sourceIds: row.source_ids === null ? null : new Set(row.source_ids),
    expiresAt: row.expires_at,
  }
  return { secretHash: row.secret_hash, isRevoked: row.revoked_at !== null, viewer }
}
