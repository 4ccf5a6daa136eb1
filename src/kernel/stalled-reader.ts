import type { ServerResponse } from 'node:http'

/** The reader is looked at so many times before it counts as stalled. */
const looks = 5

/**
 * Calls back once when the reader of an answer took not a byte for `stalledMs` while something waited for it, and a fifth
 * of that later at most. One who takes a large piece slowly is not stalled.
 *
 * A socket tells when nothing was sent for a while; that a part of a write was taken, as the first part always is, it sees
 * only when that while is over, and then waits in silence for another. So the while is short, and several of them in a row
 * count.
 *
 * @param isWaiting whether something waits to be taken.
 * @returns begins to look; to be called again whenever another may have changed the socket's own time-out.
 */
export function watchReader(
  response: ServerResponse,
  { stalledMs, isWaiting, onStalled }: { stalledMs: number; isWaiting: () => boolean; onStalled: () => void },
): () => void {
  const lookMs = Math.ceil(stalledMs / looks)
  const look = () => void response.socket?.setTimeout(lookMs)
  let inARow = 0
  let lastMs = Number.NEGATIVE_INFINITY
  response.on('timeout', () => {
    const nowMs = performance.now()
    inARow = nowMs - lastMs < 2 * lookMs ? inARow + 1 : 1
    lastMs = nowMs
    // Activity begins the next look by itself.
    if (!isWaiting()) inARow = 0
    else if (inARow < looks) look()
    else onStalled()
  })
  return look
}
