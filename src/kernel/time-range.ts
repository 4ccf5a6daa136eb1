/** A span of time; a bound that is left out is open. */
export interface TimeRange {
  /** Included. */
  readonly from?: Date | null | undefined
  /** Excluded. */
  readonly to?: Date | null | undefined
}

export function isWithin({ from, to }: TimeRange, time: Date): boolean {
  return (!from || time >= from) && (!to || time < to)
}

/** Whether no time at all can lie in it. */
export function isEmptyRange({ from, to }: TimeRange): boolean {
  return Boolean(from && to && from >= to)
}
