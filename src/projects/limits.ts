import type { Issue } from '../kernel/outcome.ts'
import { checkWholeNumber } from './input-checks.ts'

/** At most `count` in a window of `windowMs`, which begins with the first request after the one before. */
export interface RateLimit {
  readonly count: number
  readonly windowMs: number
}

/** How long the messages of a source are kept: until the first of these bounds is passed. Null: unlimited. */
export interface Retention {
  readonly maxMessages: number | null
  /** Body bytes. */
  readonly maxBytes: number | null
  readonly maxAgeHours: number | null
}

/** As clients give it: what is left out is unlimited. */
export type GivenRetention = { readonly [Bound in keyof Retention]?: number | null | undefined }

const countBounds = { min: 1, max: 1_000_000_000 }
const windowBoundsMs = { min: 1_000, max: 3_600_000 }

const retentionMaxima = {
  maxMessages: Number.MAX_SAFE_INTEGER,
  maxBytes: Number.MAX_SAFE_INTEGER,
  // 114 years: PostgreSQL counts no date before 4713 BC, which larger ages would reach.
  maxAgeHours: 1_000_000,
} satisfies Record<keyof Retention, number>

/** @returns what is wrong; nothing where no limit was given. */
export function checkRateLimit(value: RateLimit | null | undefined, path: readonly string[]): Issue[] {
  if (value === null || value === undefined) return []
  return [
    ...checkWholeNumber(value.count, [...path, 'count'], countBounds),
    ...checkWholeNumber(value.windowMs, [...path, 'windowMs'], windowBoundsMs),
  ]
}

/** @returns what is wrong; nothing where no rule was given. */
export function checkRetention(value: GivenRetention | null | undefined, path: readonly string[]): Issue[] {
  if (value === null || value === undefined) return []
  return retentionFields.flatMap((field) => {
    const bound = value[field] ?? null
    return bound === null ? [] : checkWholeNumber(bound, [...path, field], { min: 1, max: retentionMaxima[field] })
  })
}

/** The rule as it is stored. */
export function retentionOf(given: GivenRetention): Retention {
  return {
    maxMessages: given.maxMessages ?? null,
    maxBytes: given.maxBytes ?? null,
    maxAgeHours: given.maxAgeHours ?? null,
  }
}

const retentionFields = ['maxMessages', 'maxBytes', 'maxAgeHours'] as const
