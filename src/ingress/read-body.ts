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
 * otherwise nothing is kept. Beyond the limit nothing more is read.
 */
export async function readBody(stream: Readable, maxBytes: number, budget: BodyBudget): Promise<ReadBody> {
  const chunks: Buffer[] = []
  let bytes = 0
  const refuse = (kind: 'too-large' | 'no-room' | 'aborted'): ReadBody => {
    budget.give(bytes)
    return { kind }
  }
  try {
    for await (const chunk of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      if (bytes + chunk.length > maxBytes) return refuse('too-large')
      if (!budget.take(chunk.length)) return refuse('no-room')
      bytes += chunk.length
      chunks.push(chunk)
    }
  } catch {
    return refuse('aborted')
  }
  const [only] = chunks
  return { kind: 'read', body: chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, bytes) }
}
