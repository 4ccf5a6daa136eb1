/**
 * A stream that ends as soon as its reader lets go of it, also while the reader waits for the next item.
 *
 * @param open is given the signal that is aborted then.
 */
export function abortable<Item>(open: (signal: AbortSignal) => AsyncIterator<Item>): AsyncIterableIterator<Item> {
  const controller = new AbortController()
  const items = open(controller.signal)
  const stream: AsyncIterableIterator<Item> = {
    next: () => items.next(),
    async return() {
      controller.abort()
      await items.return?.()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]: () => stream,
  }
  return stream
}
