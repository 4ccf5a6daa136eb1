import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { expect, test } from 'vitest'
import { RequestPieces } from './request-pieces.ts'

async function collect(pieces: RequestPieces): Promise<Buffer[]> {
  const all: Buffer[] = []
  for await (const piece of pieces) all.push(piece)
  return all
}

async function piecesOf(chunks: readonly Buffer[]): Promise<Buffer[]> {
  const request = new IncomingMessage(new Socket())
  const reading = collect(new RequestPieces(request))
  for (const chunk of chunks) {
    request.push(chunk)
    // What waits is read as one: each is to be read before the next comes.
    await new Promise(setImmediate)
  }
  request.push(null)
  return await reading
}

test('a body in one-byte chunks is read in pieces, and is the same', async () => {
  const body = Buffer.from(Array.from({ length: 5_000 }, (_, index) => index % 256))
  const pieces = await piecesOf([...body].map((byte) => Buffer.from([byte])))
  expect(Buffer.concat(pieces)).toEqual(body)
  expect(pieces.length).toBeLessThanOrEqual(10)
})

test('a body in large chunks is passed on as it comes', async () => {
  const chunks = [Buffer.alloc(20_000, 1), Buffer.alloc(20_000, 2), Buffer.alloc(1, 3)]
  expect((await piecesOf(chunks)).map((piece) => piece.length)).toEqual([20_000, 20_000, 1])
  expect(await piecesOf([])).toEqual([])
})
