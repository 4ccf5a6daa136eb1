import type { TimeRange } from '../kernel/time-range.ts'
import { keptHours, type Span } from '../rollups/index.ts'

/*
 * Which rollups tell of a time. Minutes are kept for 48 hours, hours for 90 days, days for 2 years. A whole is put
 * together from the largest that fit, so that a day costs some hours and the minutes at its ends:
 *
 *   10:58 ─minutes─ 11:00 ─hours─ 00:00 ─days─ 00:00 ─hours─ 11:00 ─minutes─ 11:02
 */

/** A span of time with both ends, in ms since 1970. */
export interface TimeSpan {
  readonly fromMs: number
  /** Excluded. */
  readonly toMs: number
}

/** Rollups of one length, one after the other. */
export interface Piece extends TimeSpan {
  readonly span: Span
}

/** Why a time cannot be told of, for people. */
export interface SpanProblem {
  readonly problem: string
}

export const spanMs: Readonly<Record<Span, number>> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 }
export const maxIntervals = 1_500

const keptTexts: Readonly<Record<Span, string>> = {
  minute: 'Minutes are kept for 48 hours',
  hour: 'Hours are kept for 90 days',
  day: 'Days are kept for 2 years',
}
const defaultHours = 24

/** The time that is meant: without a range the last 24 hours; of a range, an open end is now, an open beginning the earliest day kept. */
export function timeSpanOf(range: TimeRange | null | undefined, nowMs: number): TimeSpan | SpanProblem {
  const toMs = range?.to?.getTime() ?? nowMs
  const openFromMs = range ? earliestKept('day', nowMs) : nowMs - defaultHours * spanMs.hour
  const fromMs = range?.from?.getTime() ?? openFromMs
  if (fromMs < earliestKept('day', nowMs)) return { problem: `${keptTexts.day}: \`from\` lies before that.` }
  return fromMs < toMs
    ? { fromMs, toMs }
    : { problem: 'The span is empty: `from` has to be before `to`, or before now.' }
}

/** The pieces of a time as a whole, widened to minutes; to hours or days where minutes or hours are not kept any more. */
export function piecesOf({ fromMs, toMs }: TimeSpan, nowMs: number): Piece[] {
  const finest = finestKept(fromMs, nowMs)
  const whole = widened({ fromMs, toMs }, finest)
  return [...ascend(whole, finest)].filter((piece) => piece.fromMs < piece.toMs)
}

/** All intervals of a time, widened to whole ones. */
export function intervalsOf({ fromMs, toMs }: TimeSpan, interval: Span, nowMs: number): Piece | SpanProblem {
  const whole = widened({ fromMs, toMs }, interval)
  if (whole.fromMs < earliestKept(interval, nowMs)) {
    return { problem: `${keptTexts[interval]}: begin later, or choose a longer interval.` }
  }
  const count = (whole.toMs - whole.fromMs) / spanMs[interval]
  if (count > maxIntervals) {
    return {
      problem: `The series would hold ${count} intervals; ${maxIntervals} are possible: choose a longer interval or a shorter range.`,
    }
  }
  return { span: interval, ...whole }
}

/** The beginning of the interval that a time lies in. Days are in UTC. */
export function beginOf(interval: Span, timeMs: number): number {
  return Math.floor(timeMs / spanMs[interval]) * spanMs[interval]
}

// What just began to be too old is still there: who asks may have looked at the clock a little earlier.
function earliestKept(span: Span, nowMs: number): number {
  return beginOf(span, nowMs - keptHours[span] * spanMs.hour) - spanMs[span]
}

function finestKept(fromMs: number, nowMs: number): Span {
  if (fromMs >= earliestKept('minute', nowMs)) return 'minute'
  return fromMs >= earliestKept('hour', nowMs) ? 'hour' : 'day'
}

function widened({ fromMs, toMs }: TimeSpan, span: Span): TimeSpan {
  const lastMs = beginOf(span, toMs)
  return { fromMs: beginOf(span, fromMs), toMs: lastMs < toMs ? lastMs + spanMs[span] : lastMs }
}

const larger: Readonly<Record<Span, Span | null>> = { minute: 'hour', hour: 'day', day: null }

/** @param whole whole intervals of the span. */
function* ascend(whole: TimeSpan, span: Span): Iterable<Piece> {
  const next = larger[span]
  if (next === null) return yield { span, ...whole }
  const innerFromMs = beginOf(next, whole.fromMs + spanMs[next] - 1)
  const innerToMs = beginOf(next, whole.toMs)
  if (innerFromMs >= innerToMs) return yield { span, ...whole }
  yield { span, fromMs: whole.fromMs, toMs: innerFromMs }
  yield* ascend({ fromMs: innerFromMs, toMs: innerToMs }, next)
  yield { span, fromMs: innerToMs, toMs: whole.toMs }
}
