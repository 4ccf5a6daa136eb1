import type { OperationStream } from './operation-stream.ts'

/**
 * What graphql-ws is given in place of a subscription's results: it yields nothing, and ends when they do. Meanwhile they
 * go out as frames. graphql-ws would copy, check and write each result anew; these are written already, often once for
 * many, and only the subscription's id is put in front. The next one is asked for when a frame is taken.
 *
 * @param send null, or resolves, when the client has taken the frame; never rejects.
 */
export function sentAsFrames(
  results: OperationStream,
  { id, send }: { readonly id: string; readonly send: (frame: Buffer) => Promise<void> | null },
): AsyncGenerator<never, void, void> {
  const before = Buffer.from(`{"id":${JSON.stringify(id)},"type":"next","payload":`)
  const after = Buffer.from('}')
  const sent: AsyncGenerator<never, void, void> = {
    async next() {
      for (let result = await results.next(); !result.done; result = await results.next()) {
        const taken = send(Buffer.concat([before, result.value, after]))
        if (taken !== null) await taken
      }
      return { done: true, value: undefined }
    },
    async return() {
      await results.return()
      return { done: true, value: undefined }
    },
    async throw(error) {
      await results.return()
      throw error
    },
    [Symbol.asyncIterator]: () => sent,
    [Symbol.asyncDispose]: async () => void (await results.return()),
  }
  return sent
}
