import type { IncomingMessage } from 'node:http'

/** A piece ends at either of these bounds: then what it costs, and what its chunks cost meanwhile, do not count. */
const maxPieceBytes = 16 * 1024
const maxPieceChunks = 512

/**
 * A request's body in pieces of some size. Clients choose how small their chunks are, down to one byte, and every chunk
 * costs whoever reads the body some hundred bytes, many times over.
 *
 * Yoga takes it from the request's `body`, where other servers leave what they have read.
 */
export class RequestPieces implements AsyncIterable<Buffer> {
  // Own and enumerable: Yoga takes an object without any for no body.
  readonly request: IncomingMessage

  constructor(request: IncomingMessage) {
    this.request = request
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    let chunks: Buffer[] = []
    let bytes = 0
    for await (const chunk of this.request as AsyncIterable<Buffer>) {
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes < maxPieceBytes && chunks.length < maxPieceChunks) continue
      yield Buffer.concat(chunks)
      chunks = []
      bytes = 0
    }
    if (bytes > 0) yield Buffer.concat(chunks)
  }
}
