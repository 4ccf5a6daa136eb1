const firstRoomBytes = 4_096

/**
 * Reads a body of at most `maxBytes` into one piece of memory that grows with it: each chunk costs memory by itself, and
 * a sender can make them as small as one byte.
 *
 * @returns null when it is larger; then the rest is not read.
 */
export async function readBody(chunks: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Uint8Array | null> {
  let room = new Uint8Array(Math.min(firstRoomBytes, maxBytes))
  let bytes = 0
  for await (const chunk of chunks) {
    const needed = bytes + chunk.length
    if (needed > maxBytes) return null
    if (needed > room.length) {
      const larger = new Uint8Array(Math.min(Math.max(needed, room.length * 2), maxBytes))
      larger.set(room.subarray(0, bytes))
      room = larger
    }
    room.set(chunk, bytes)
    bytes = needed
  }
  return room.subarray(0, bytes)
}

/** Why a body that is gone cannot be had, in words for the developer. */
export const bodyAlreadyRead =
  'The body was read before the receiver came to it, and its bytes are not there: a signature covers them as they were ' +
  'sent. Put the receiver before a body parser, or give its route one that keeps bytes, such as ' +
  "express.raw({ type: '*/*' })."
