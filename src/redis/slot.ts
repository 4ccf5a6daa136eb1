/** Slots of a Redis Cluster: each channel and key belongs to one, and each slot to one server. */
export const slotCount = 16_384

/**
 * The slot of a channel or key: CRC16 (XMODEM) of its bytes, or of what stands between its first braces.
 *
 * @see Redis Cluster specification, "Key distribution model" and "Hash tags"
 */
export function slotOf(name: string): number {
  const open = name.indexOf('{')
  const close = open < 0 ? -1 : name.indexOf('}', open)
  const hashed = close > open + 1 ? name.slice(open + 1, close) : name
  let crc = 0
  for (const byte of Buffer.from(hashed)) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1
    crc &= 0xffff
  }
  return crc % slotCount
}
