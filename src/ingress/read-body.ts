import type { Readable } from 'node:stream'

/** Body bytes of all requests that are being received and recorded now. */
export interface BodyBudget {
  /** @returns false when the bytes would go past the bound; then nothing was taken. */
  take(bytes: number): boolean
  give(bytes: number): void
}

export function createBodyBudget(maxBytes: number): BodyBudget {
  let used = 0
  return {
    take(bytes) {
      if (used > 0 && used + bytes > maxBytes) return false
      used += bytes
      return true
    },
    give(bytes) {
      used -= bytes
    },
  }
}

export type ReadBody =
  | { readonly kind: 'read'; readonly body: Buffer }
  | { readonly kind: 'too-large' | 'no-room' | 'aborted' }

/**
 * Reads a body of at most `maxBytes`. What it takes from the budget is the caller's to give back when it is `read`;
 * otherwise nothing is kept. Beyond the limit nothing more is kept, whatever still comes.
 *
 * By events rather than by `for await`, which costs several promises a request: this is the hot path.
 */
export function readBody(stream: Readable, maxBytes: number, budget: BodyBudget): Promise<ReadBody> {
  const { promise, resolve } = Promise.withResolvers<ReadBody>()
  const chunks: Buffer[] = []
  let bytes = 0
  let isOver = false
  // Errors and the close follow an end or a refusal, and then change nothing.
  const end = (result: ReadBody) => {
    if (isOver) return
    isOver = true
    if (result.kind !== 'read') {
      budget.give(bytes)
      chunks.length = 0
    }
    resolve(result)
  }
  stream.on('data', (chunk: Buffer) => {
    if (isOver) return
    if (bytes + chunk.length > maxBytes) return end({ kind: 'too-large' })
    if (!budget.take(chunk.length)) return end({ kind: 'no-room' })
    bytes += chunk.length
    chunks.push(chunk)
  })
  stream.once('end', () => end({ kind: 'read', body: joined(chunks, bytes) }))
  stream.once('error', () => end({ kind: 'aborted' }))
  stream.once('close', () => end({ kind: 'aborted' }))
  // The sender may have gone while its source was looked up: then nothing of this comes any more.
  if (stream.destroyed) end({ kind: 'aborted' })
  return promise
}

function joined(chunks: Buffer[], bytes: number): Buffer {
  const [only] = chunks
  return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, bytes)
}
