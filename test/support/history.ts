import type { StreamedMessage } from './stream.ts'

/** What must never happen, counted over a whole history: each must be 0. */
export interface Verdict {
  readonly acknowledgedButMissing: number
  readonly changedContent: number
  readonly twiceInStream: number
  readonly outOfOrder: number
  readonly neverDelivered: number
}

export const nothingWrong: Verdict = {
  acknowledgedButMissing: 0,
  changedContent: 0,
  twiceInStream: 0,
  outOfOrder: 0,
  neverDelivered: 0,
}

export function judge(history: {
  acknowledged: ReadonlyMap<string, string>
  streamed: readonly StreamedMessage[]
  deliveredIds: ReadonlySet<string>
}): Verdict {
  const contents = new Map(history.streamed.map(({ id, body }) => [id, Buffer.from(body, 'base64').toString()]))
  const ids = [...history.acknowledged.keys()]
  const count = (list: readonly unknown[]) => list.length
  return {
    acknowledgedButMissing: count(ids.filter((id) => !contents.has(id))),
    changedContent: count(ids.filter((id) => contents.has(id) && contents.get(id) !== history.acknowledged.get(id))),
    twiceInStream: history.streamed.length - contents.size,
    // Dense as well as rising: a hole would be a message that the stream has left out.
    outOfOrder: count(history.streamed.filter((message, index) => message.sequence !== index + 1)),
    neverDelivered: count(history.streamed.filter(({ id }) => !history.deliveredIds.has(id))),
  }
}
