import { createHash, randomBytes } from 'node:crypto'
import type { SourceId } from '../kernel/ids.ts'
import type { Sealer } from '../secrets/index.ts'
import type { Source } from './source.entity.ts'

/*
 * The secret part of a source's address. Stored twice: as SHA-256, which requests are looked up by, and sealed, so that
 * the address can be shown again to those who may manage the source. 256 random bits need no slow hash.
 */

const tokenBytes = 32
const tokenPattern = /^[A-Za-z0-9_-]{43}$/

/** What is stored of a new token. */
export function newIngressToken(sealer: Sealer, sourceId: SourceId): { tokenHash: Buffer; tokenSealed: string } {
  const token = randomBytes(tokenBytes).toString('base64url')
  return { tokenHash: hashOfToken(token), tokenSealed: sealer.seal(token, contextOf(sourceId)) }
}

/** Whether it could be a token, by its form. */
export function isToken(text: string): boolean {
  return tokenPattern.test(text)
}

/** What a token is looked up by. */
export function hashOfToken(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

/**
 * @returns null when the source has none.
 * @throws SealError when it does not open.
 */
export function openToken(sealer: Sealer, { id, tokenSealed }: Pick<Source, 'id' | 'tokenSealed'>): string | null {
  return !tokenSealed ? null : sealer.open(tokenSealed, contextOf(id))
}

function contextOf(sourceId: SourceId): { table: string; rowId: string } {
  return { table: 'sources', rowId: sourceId }
}
