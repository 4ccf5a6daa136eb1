/** Chance that a seed repeats. */
export interface Chance {
  /** A whole number from 0 to `limit`, without `limit`. */
  below(limit: number): number
  oneOf<Item>(items: readonly [Item, ...Item[]]): Item
}

/** @param seed a whole number below 2^32. The algorithm is Mulberry32. */
export function chanceOf(seed: number): Chance {
  let state = seed
  function below(limit: number): number {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit)
  }
  return { below, oneOf: (items) => items[below(items.length)] ?? items[0] }
}
