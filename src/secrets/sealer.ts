import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from 'node:crypto'
import type { MasterKey } from './master-keys.ts'

/*
 * How a secret rests in the database. Each value has a random data key; the current master key wraps that data key, and
 * the data key encrypts the value. Both steps are AES-256-GCM with a random 12-byte nonce, and both authenticate the
 * table and the row that the value belongs to, so that a sealed value copied to another row does not open there.
 *
 *   v1.<master key id>.<wrapped data key>.<nonce>.<ciphertext and tag>      (the last three base64url)
 *
 * Rotation: put a new master key first, keep the old ones for opening, seal again what carries an old id.
 */

/** Where the sealed value lives; it opens only with the very same context. */
export interface SealContext {
  table: string
  rowId: string
}

export interface Sealer {
  /** Seals under the current (first) master key. Two seals of one text differ. */
  seal(plaintext: string, context: SealContext): string
  /**
   * Costs two AES passes: callers on a hot path keep the result.
   *
   * @throws SealError MASTER_KEY_MISSING when the value's master key was not given; SEAL_BROKEN when the text is damaged,
   * belongs to another row, or another key goes by this id.
   */
  open(sealed: string, context: SealContext): string
  /** Ids of the given master keys, the current one first. */
  readonly keyIds: readonly string[]
}

/** The message names key ids, tables and rows, never secret material. */
export class SealError extends Error {
  readonly code: 'MASTER_KEY_MISSING' | 'SEAL_BROKEN'

  constructor(code: SealError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'SealError'
    this.code = code
  }
}

const VERSION = 'v1'
const DATA_KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
const WRAPPED_BYTES = NONCE_BYTES + DATA_KEY_BYTES + TAG_BYTES

const ENVELOPE = /^v1\.([A-Za-z0-9_-]{1,32})\.([A-Za-z0-9_-]{80})\.([A-Za-z0-9_-]{16})\.([A-Za-z0-9_-]{22,})$/

/** @throws RangeError when there is no master key (configuration refuses that earlier). */
export function createSealer(masterKeys: readonly MasterKey[]): Sealer {
  const current = masterKeys[0]
  if (current === undefined) throw new RangeError('a sealer needs at least one master key')
  const keysById = new Map(masterKeys.map(({ id, key }) => [id, key]))
  return {
    keyIds: [...keysById.keys()],
    seal: (plaintext, context) => seal(current, plaintext, context),
    open: (sealed, context) => open(keysById, sealed, context),
  }
}

function seal(masterKey: MasterKey, plaintext: string, context: SealContext): string {
  const associatedData = associate(masterKey.id, context)
  const dataKey = randomBytes(DATA_KEY_BYTES)
  const wrapped = encrypt(masterKey.key, dataKey, associatedData)
  const value = encrypt(dataKey, Buffer.from(plaintext, 'utf8'), associatedData)
  const parts = [Buffer.concat([wrapped.nonce, wrapped.ciphertext]), value.nonce, value.ciphertext]
  return [VERSION, masterKey.id, ...parts.map((part) => part.toString('base64url'))].join('.')
}

function open(keysById: ReadonlyMap<string, KeyObject>, sealed: string, context: SealContext): string {
  const [, keyId, wrapped, nonce, ciphertext] = ENVELOPE.exec(sealed) ?? []
  if (keyId === undefined || wrapped === undefined || nonce === undefined || ciphertext === undefined) {
    throw new SealError('SEAL_BROKEN', `the secret of ${describe(context)} is not a sealed value`)
  }
  const masterKey = keysById.get(keyId)
  if (masterKey === undefined) {
    throw new SealError('MASTER_KEY_MISSING', `the secret of ${describe(context)} needs the master key "${keyId}"`)
  }
  const associatedData = associate(keyId, context)
  try {
    const wrappedBytes = Buffer.from(wrapped, 'base64url')
    const dataKey = decrypt(
      masterKey,
      { nonce: wrappedBytes.subarray(0, NONCE_BYTES), ciphertext: wrappedBytes.subarray(NONCE_BYTES, WRAPPED_BYTES) },
      associatedData,
    )
    const value = { nonce: Buffer.from(nonce, 'base64url'), ciphertext: Buffer.from(ciphertext, 'base64url') }
    return decrypt(dataKey, value, associatedData).toString('utf8')
  } catch (cause) {
    const message = `the secret of ${describe(context)} does not open with the master key "${keyId}"`
    throw new SealError('SEAL_BROKEN', message, { cause })
  }
}

/** As JSON, so that no two contexts share one encoding, whatever characters they hold. */
function associate(keyId: string, { table, rowId }: SealContext): Buffer {
  return Buffer.from(JSON.stringify([VERSION, keyId, table, rowId]))
}

interface Encrypted {
  nonce: Buffer
  /** The authentication tag is its end. */
  ciphertext: Buffer
}

function encrypt(key: KeyObject | Buffer, plaintext: Buffer, associatedData: Buffer): Encrypted {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES }).setAAD(associatedData)
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
  return { nonce, ciphertext }
}

function decrypt(key: KeyObject | Buffer, { nonce, ciphertext }: Encrypted, associatedData: Buffer): Buffer {
  const tagStart = ciphertext.length - TAG_BYTES
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
    .setAAD(associatedData)
    .setAuthTag(ciphertext.subarray(tagStart))
  return Buffer.concat([decipher.update(ciphertext.subarray(0, tagStart)), decipher.final()])
}

function describe({ table, rowId }: SealContext): string {
  return `${table} ${rowId}`
}
