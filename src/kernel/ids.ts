import { randomFillSync } from 'node:crypto'

/**
 * Ids are TypeIDs: a prefix that names the kind, `_`, and a version 7 UUID in 26 characters of Crockford's base32.
 * They sort by time of creation, and are the same string in the database, GraphQL, REST, headers and logs.
 *
 * @see https://github.com/jetify-com/typeid/tree/main/spec
 */
export type Id<Prefix extends string> = `${Prefix}_${string}`
export type ProjectId = Id<'prj'>
export type ApiKeyId = Id<'key'>
export type SourceId = Id<'src'>
export type MessageId = Id<'msg'>
export type EndpointId = Id<'ept'>
export type DeliveryId = Id<'dlv'>
export type AttemptId = Id<'att'>
export type SecretId = Id<'sec'>
export type RefusalId = Id<'ref'>
export type EventTypeId = Id<'typ'>
export type ListenerId = Id<'lsn'>
export type OperationId = Id<'opr'>

const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'
const suffix = /^[0-7][0-9a-hjkmnp-tv-z]{25}$/

// Random bytes are drawn in bulk: one call per id costs more than the rest of the encoding.
const pool = new Uint8Array(10 * 512)
let poolOffset = pool.length
let lastMs = 0
let counter = 0

/** A new id. Ids of one process rise strictly, also within a millisecond. */
export function newId<Prefix extends string>(prefix: Prefix): Id<Prefix> {
  return `${prefix}_${encode(uuidV7())}`
}

/** Whether `text` is a well-formed id of this kind; says nothing about whether the object exists. */
export function isId<Prefix extends string>(prefix: Prefix, text: string): text is Id<Prefix> {
  return text.startsWith(`${prefix}_`) && suffix.test(text.slice(prefix.length + 1))
}

// RFC 9562, method 1: the 12 bits after the version are a counter that restarts with each millisecond.
function uuidV7(): Uint8Array {
  if (poolOffset === pool.length) {
    randomFillSync(pool)
    poolOffset = 0
  }
  const bytes = new Uint8Array(16)
  bytes.set(pool.subarray(poolOffset, poolOffset + 10), 6)
  poolOffset += 10
  advanceClock()
  const view = new DataView(bytes.buffer)
  view.setUint16(0, Math.floor(lastMs / 2 ** 32))
  view.setUint32(2, lastMs % 2 ** 32)
  view.setUint16(6, 0x7000 | counter)
  view.setUint8(8, 0x80 | (view.getUint8(8) & 0x3f))
  return bytes
}

// When the counter is full, or the clock was set back, time is borrowed from the next millisecond.
function advanceClock(): void {
  const nowMs = Date.now()
  if (nowMs > lastMs) {
    lastMs = nowMs
    counter = 0
  } else if (counter === 0xfff) {
    lastMs += 1
    counter = 0
  } else {
    counter += 1
  }
}

// 128 bits as 26 digits of 5 bits, with two zero bits in front.
function encode(bytes: Uint8Array): string {
  let text = ''
  let buffer = 0
  let bits = 2
  for (const byte of bytes) {
    buffer = ((buffer << 8) | byte) & 0xffff
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += alphabet[(buffer >> bits) & 31]
    }
  }
  return text
}
