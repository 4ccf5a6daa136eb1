import type { Readable } from 'node:stream'
import type { SourceId } from '../kernel/ids.ts'

/** Body bytes of all requests that are being received and recorded now. */
export interface BodyBudget {
  /** @returns false when the bytes would go past the bound, or past one source's share; then nothing was taken. */
  take(sourceId: SourceId, bytes: number): boolean
  give(sourceId: SourceId, bytes: number): void
}

/** Of the budget: what one source may hold, so that a flood at it leaves room for the others. */
const sourceShare = 0.25

/** What finds the budget, or its source's share, untouched gets in at any size. */
export function createBodyBudget(maxBytes: number): BodyBudget {
  const maxSourceBytes = maxBytes * sourceShare
  const usedBySource = new Map<SourceId, number>()
  let used = 0
  return {
    take(sourceId, bytes) {
      const usedBefore = usedBySource.get(sourceId) ?? 0
      if (used > 0 && used + bytes > maxBytes) return false
      if (usedBefore > 0 && usedBefore + bytes > maxSourceBytes) return false
      used += bytes
      usedBySource.set(sourceId, usedBefore + bytes)
      return true
    },
    give(sourceId, bytes) {
      used -= bytes
      const left = (usedBySource.get(sourceId) ?? 0) - bytes
      if (left > 0) usedBySource.set(sourceId, left)
      else usedBySource.delete(sourceId)
    },
  }
}

export type ReadBody =
  | { readonly kind: 'read'; readonly body: Buffer }
  /** `bytes`: how many had come. */
  | { readonly kind: 'too-large' | 'no-room' | 'aborted'; readonly bytes: number }

export interface ReadBodyOptions {
  readonly sourceId: SourceId
  readonly maxBytes: number
  readonly budget: BodyBudget
}

/** A chunk costs some 200 bytes by itself, and a sender can make each as small as one byte. */
const maxChunks = 512

/**
 * Reads a body of at most `maxBytes`. What it takes from the budget is the caller's to give back when it is `read`;
 * otherwise nothing is kept. Beyond the limit nothing more is kept, whatever still comes.
 *
 * By events rather than by `for await`, which costs several promises a request: this is the hot path.
 */
export function readBody(stream: Readable, { sourceId, maxBytes, budget }: ReadBodyOptions): Promise<ReadBody> {
  const { promise, resolve } = Promise.withResolvers<ReadBody>()
  const pieces: Buffer[] = []
  const chunks: Buffer[] = []
  let bytes = 0
  let isOver = false
  // Errors and the close follow an end or a refusal, and then change nothing.
  const end = (result: ReadBody) => {
    if (isOver) return
    isOver = true
    if (result.kind !== 'read') {
      budget.give(sourceId, bytes)
      pieces.length = 0
      chunks.length = 0
    }
    resolve(result)
  }
  stream.on('data', (chunk: Buffer) => {
    if (isOver) return
    if (bytes + chunk.length > maxBytes) return end({ kind: 'too-large', bytes: bytes + chunk.length })
    if (!budget.take(sourceId, chunk.length)) return end({ kind: 'no-room', bytes })
    bytes += chunk.length
    chunks.push(chunk)
    if (chunks.length === maxChunks) pieces.push(Buffer.concat(chunks.splice(0)))
  })
  stream.once('end', () => end({ kind: 'read', body: joined([...pieces, ...chunks], bytes) }))
  stream.once('error', () => end({ kind: 'aborted', bytes }))
  stream.once('close', () => end({ kind: 'aborted', bytes }))
  // The sender may have gone while its source was looked up: then nothing of this comes any more.
  if (stream.destroyed) end({ kind: 'aborted', bytes })
  return promise
}

function joined(chunks: readonly Buffer[], bytes: number): Buffer {
  const [only] = chunks
  return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, bytes)
}
