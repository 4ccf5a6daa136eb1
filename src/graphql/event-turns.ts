/**
 * Gives turns to streams that have much to execute: one of them in each round of the event loop, whoever waits longest
 * first. However many there are, those who wait for a single new message wait for one turn at most.
 *
 * @returns calls what it is given when its turn comes.
 */
export function createTurnQueue(): (work: () => void) => void {
  const waiting: (() => void)[] = []

  function next(): void {
    const work = waiting.shift()
    if (waiting.length > 0) setImmediate(next)
    work?.()
  }

  return (work) => {
    if (waiting.push(work) === 1) setImmediate(next)
  }
}
