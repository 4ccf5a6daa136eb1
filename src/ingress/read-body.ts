import type { Readable } from 'node:stream'
import type { IngressSource } from '../sources/index.ts'

/** Body bytes of all requests that are being received and recorded now. */
export interface BodyBudget {
  /** @returns false when the bytes would go past the bound, or past a share; then nothing was taken. */
  take(source: BudgetedSource, bytes: number): boolean
  give(source: BudgetedSource, bytes: number): void
}

export type BudgetedSource = Pick<IngressSource, 'id' | 'projectId'>

/** Of the budget: what one source, and what all of a project, may hold, so that floods there leave room for the others. */
const [sourceShare, projectShare] = [0.25, 0.5]

/** What finds the budget and its shares untouched gets in at any size. */
export function createBodyBudget(maxBytes: number): BodyBudget {
  const all = createShare(maxBytes)
  const ofSources = createShare(maxBytes * sourceShare)
  const ofProjects = createShare(maxBytes * projectShare)
  return {
    take({ id, projectId }, bytes) {
      if (!(all.fits('', bytes) && ofSources.fits(id, bytes) && ofProjects.fits(projectId, bytes))) return false
      all.add('', bytes)
      ofSources.add(id, bytes)
      ofProjects.add(projectId, bytes)
      return true
    },
    give({ id, projectId }, bytes) {
      all.add('', -bytes)
      ofSources.add(id, -bytes)
      ofProjects.add(projectId, -bytes)
    },
  }
}

/** Bytes by who holds them, with one bound for each. */
function createShare(maxBytes: number) {
  const held = new Map<string, number>()
  return {
    fits(holder: string, bytes: number): boolean {
      const before = held.get(holder) ?? 0
      return before === 0 || before + bytes <= maxBytes
    },
    add(holder: string, bytes: number): void {
      const after = (held.get(holder) ?? 0) + bytes
      if (after > 0) held.set(holder, after)
      else held.delete(holder)
    },
  }
}

export type ReadBody =
  | { readonly kind: 'read'; readonly body: Buffer }
  /** `bytes`: how many had come. */
  | { readonly kind: 'too-large' | 'no-room' | 'aborted'; readonly bytes: number }

export interface ReadBodyOptions {
  readonly source: BudgetedSource
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
export function readBody(stream: Readable, { source, maxBytes, budget }: ReadBodyOptions): Promise<ReadBody> {
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
      budget.give(source, bytes)
      pieces.length = 0
      chunks.length = 0
    }
    resolve(result)
  }
  stream.on('data', (chunk: Buffer) => {
    if (isOver) return
    if (bytes + chunk.length > maxBytes) return end({ kind: 'too-large', bytes: bytes + chunk.length })
    if (!budget.take(source, chunk.length)) return end({ kind: 'no-room', bytes })
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
