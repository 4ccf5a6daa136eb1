/** A figure measured once per round. */
export interface Figure {
  readonly median: number
  readonly min: number
  readonly max: number
}

export function figureOf(values: readonly number[]): Figure {
  return { median: quantile(values, 0.5), min: Math.min(...values), max: Math.max(...values) }
}

/** Round by round, so that a slow moment of the machine weighs on both sides of the ratio. */
export function ratioOf(numerators: readonly number[], denominators: readonly number[]): Figure {
  return figureOf(numerators.map((numerator, round) => numerator / (denominators[round] ?? Number.NaN)))
}

/** @param part 0.5 is the median; between two values the line between them is taken. */
export function quantile(values: ArrayLike<number>, part: number): number {
  const sorted = Float64Array.from(values).toSorted()
  const position = (sorted.length - 1) * part
  const below = sorted[Math.floor(position)] ?? Number.NaN
  const above = sorted[Math.ceil(position)] ?? Number.NaN
  return below + (above - below) * (position % 1)
}

/** Four significant digits: more would be noise. */
export function rounded(value: number): number {
  return Number(value.toPrecision(4))
}
