/*
 * How long attempts took, counted in slots: slot 0 holds what took less than a millisecond, and each further one reaches
 * 15 percent higher than the one before. So a duration is known within 7.3 percent, and 100 slots reach beyond a quarter
 * of an hour. Arrays end with the last slot that holds something.
 */
const growth = 1.15
const lastSlot = 100

/** All of them; in an array of PostgreSQL they begin at 1. */
export const slots: readonly number[] = Array.from({ length: lastSlot + 1 }, (_, slot) => slot)

/** @returns where a duration is counted; what is longer than all slots counts in the last one. */
export function slotOf(durationMs: number): number {
  if (!(durationMs >= 1)) return 0
  return Math.min(1 + Math.floor(Math.log(durationMs) / Math.log(growth)), lastSlot)
}

/**
 * The duration that so many attempts did not exceed, in milliseconds, within 7.3 percent.
 *
 * @param counts by slot.
 * @param part 0.5 is the median.
 * @returns 0 when nothing was counted.
 */
export function percentileOf(counts: readonly number[], part: number): number {
  const total = counts.reduce((sum, count) => sum + count, 0)
  const rank = Math.max(1, Math.ceil(total * part))
  let seen = 0
  for (const [slot, count] of counts.entries()) {
    seen += count
    if (seen >= rank) return middleOf(slot)
  }
  return 0
}

// The error is the same at both ends.
function middleOf(slot: number): number {
  return slot === 0 ? 0 : growth ** (slot - 0.5)
}
