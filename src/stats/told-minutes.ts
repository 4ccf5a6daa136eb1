import { emptyBucket, type StatsBucket } from './stats-bucket.ts'
import { beginOf, spanMs } from './time-span.ts'

/** What was told of the minutes of a group of nodes, and what is news therefore. Pure: no clock, no I/O. */
export interface ToldMinutes {
  /** The earliest minute that may still be news, in ms since 1970; null before the first look. */
  sinceMs(): number | null
  /**
   * What is to be told now that the minutes are so: at the first look the running one, whatever it holds, then each that
   * holds something or has changed, and once more each that is over.
   */
  news(nowMs: number, minutes: ReadonlyMap<number, StatsBucket>): StatsBucket[]
  /** The running minute as it was told last; none before the first look. */
  running(): StatsBucket[]
}

/** Transactions that began in a minute may end a little after it. */
const lateMs = 2_000

export function toldMinutes(): ToldMinutes {
  /** Those that are not over, as they were told. */
  const open = new Map<number, StatsBucket>()
  let latestMs: number | null = null

  function candidates(runningMs: number, minutes: ReadonlyMap<number, StatsBucket>): [number, StatsBucket][] {
    const found = new Map(open)
    if (latestMs === null) found.set(runningMs, emptyMinute(runningMs))
    for (const [minuteMs, bucket] of minutes) {
      const isNew = minuteMs >= (latestMs ?? runningMs) && minuteMs <= runningMs
      if (isNew || open.has(minuteMs)) found.set(minuteMs, bucket)
    }
    return [...found].sort(([a], [b]) => a - b)
  }

  return {
    sinceMs: () => (latestMs === null ? null : Math.min(latestMs, ...open.keys())),
    news(nowMs, minutes) {
      const runningMs = beginOf('minute', nowMs)
      const news: StatsBucket[] = []
      for (const [minuteMs, bucket] of candidates(runningMs, minutes)) {
        const isOver = nowMs >= minuteMs + spanMs.minute + lateMs
        if (isOver || !isEqual(open.get(minuteMs), bucket)) news.push(bucket)
        if (isOver) open.delete(minuteMs)
        else open.set(minuteMs, bucket)
      }
      latestMs = runningMs
      return news
    },
    running: () => (latestMs === null ? [] : [open.get(latestMs) ?? emptyMinute(latestMs)]),
  }
}

function emptyMinute(fromMs: number): StatsBucket {
  return emptyBucket(fromMs, fromMs + spanMs.minute)
}

function isEqual(one: StatsBucket | undefined, other: StatsBucket): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}
