import type { OperationStream, ResultFollower } from './operation-stream.ts'
import type { Connection } from './socket-connection.ts'

/** Where results go. */
interface Receiver {
  /** Of the subscription, as its client calls it. */
  readonly id: string
  readonly connection: Pick<Connection, 'sendResult'>
}

/**
 * What graphql-ws is given in place of a subscription's results: it yields nothing, and ends when they do. Meanwhile they
 * go out as frames. graphql-ws would copy, check and write each result anew; these are written already, often once for
 * many, and only the subscription's id is put in front. No more are asked for while a client does not take them.
 */
export function sentAsFrames(results: OperationStream, receiver: Receiver): AsyncGenerator<never, void, void> {
  return new SentFrames(results, receiver)
}

class SentFrames implements AsyncGenerator<never, void, void>, ResultFollower {
  readonly #results: OperationStream
  readonly #connection: Receiver['connection']
  readonly #start: string
  #resolve: (result: IteratorResult<never, void>) => void = () => undefined

  constructor(results: OperationStream, { id, connection }: Receiver) {
    this.#results = results
    this.#connection = connection
    this.#start = `{"id":${JSON.stringify(id)},"type":"next","payload":`
  }

  take(json: Buffer, isFollowing: boolean): boolean {
    return this.#connection.sendResult({ start: this.#start, json, isFollowing }, this.#results)
  }

  ended(): void {
    this.#resolve({ done: true, value: undefined })
  }

  next(): Promise<IteratorResult<never, void>> {
    return new Promise((resolve) => {
      this.#resolve = resolve
      this.#results.follow(this)
      this.#results.resume()
    })
  }

  async return(): Promise<IteratorResult<never, void>> {
    await this.#results.end()
    return { done: true, value: undefined }
  }

  async throw(error: unknown): Promise<never> {
    await this.#results.end()
    throw error
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#results.end()
  }
}
