import { createHmac, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'

/** A key-encryption key. It never leaves the process; its id does. */
export interface MasterKey {
  /** Stored in everything that the key sealed; 1 to 32 of `[A-Za-z0-9_-]`. */
  id: string
  /** 32 bytes. A KeyObject prints nothing of itself, so that no log can carry it. */
  key: KeyObject
}

/** `problems` name entries by position (1-based), never by their text: a misplaced key must not end up in a log. */
export type MasterKeysResult = { ok: true; keys: MasterKey[] } | { ok: false; problems: string[] }

const KEY_BYTES = 32
const KEY_ID = /^[A-Za-z0-9_-]{1,32}$/
const BASE64_OF_32_BYTES = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/
const CHECK_TEXT = 'hookline master key check, version 1'
const CHECK_HEX_DIGITS = 16

/**
 * Reads MASTER_KEYS: a comma-separated list of `id:base64 of 32 bytes`. The first key seals, all of them open.
 * All problems are reported at once.
 */
export function parseMasterKeys(text: string): MasterKeysResult {
  const entries = text.split(',').map((entry) => entry.trim())
  const keys: MasterKey[] = []
  const problems: string[] = []
  for (const [index, entry] of entries.entries()) {
    const parsed = parseEntry(entry)
    if (typeof parsed === 'string') problems.push(`entry ${index + 1} ${parsed}`)
    else if (keys.some((key) => key.id === parsed.id)) problems.push(`entry ${index + 1} repeats an earlier key id`)
    else keys.push(parsed)
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, keys }
}

/** A new entry for MASTER_KEYS, `id:base64`, with a random id and 32 random bytes. */
export function generateMasterKey(): string {
  return `mk-${randomBytes(4).toString('hex')}:${randomBytes(KEY_BYTES).toString('base64')}`
}

/**
 * A fingerprint of the key, 16 hex digits, that tells nothing about it. Kept in the database per key id, so that a
 * start with another key under a known id is refused instead of failing at the first secret.
 */
export function checkValue({ key }: MasterKey): string {
  return createHmac('sha256', key).update(CHECK_TEXT).digest('hex').slice(0, CHECK_HEX_DIGITS)
}

function parseEntry(entry: string): MasterKey | string {
  if (entry === '') return 'is empty'
  const colon = entry.indexOf(':')
  if (colon === -1) return 'is not of the form id:base64'
  const id = entry.slice(0, colon)
  if (!KEY_ID.test(id)) return 'has a key id that is not 1 to 32 of A-Z a-z 0-9 _ -'
  const encoded = entry.slice(colon + 1)
  if (!BASE64_OF_32_BYTES.test(encoded)) return 'has a key that is not the base64 of 32 bytes'
  return { id, key: createSecretKey(Buffer.from(encoded, 'base64')) }
}
