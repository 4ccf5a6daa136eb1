/** Body bytes that one answer holds at most, over all of its pages. */
export const maxBodyBytesPerAnswer = 8 * 1024 * 1024

/**
 * The body bytes that one execution may still read. Takers take turns: what one reads is known before the next begins,
 * so that many small pages in one document cannot add up to more than one large one.
 */
export interface BodyBudget {
  /**
   * Runs `read` with the bytes that are left, 0 when the budget is spent, and takes off what it read.
   *
   * @returns what `read` gave.
   */
  take<Row extends { readonly body: Uint8Array }>(read: (leftBytes: number) => Promise<Row[]>): Promise<Row[]>
}

export function createBodyBudget(bytes = maxBodyBytesPerAnswer): BodyBudget {
  let leftBytes = bytes
  let turn: Promise<unknown> = Promise.resolve()
  return {
    take(read) {
      const rows = turn.then(async () => {
        const read_ = await read(leftBytes)
        for (const row of read_) leftBytes = Math.max(0, leftBytes - row.body.length)
        return read_
      })
      turn = rows.catch(() => undefined)
      return rows
    },
  }
}
