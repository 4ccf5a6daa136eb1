import type { Resources } from './resources.ts'
import type { Figure } from './statistics.ts'

/** One of the measurements of this folder. */
export interface Bench {
  /** One line for `--help`. */
  readonly summary: string
  run(setup: BenchSetup): Promise<BenchResult>
}

export interface BenchSetup {
  readonly resources: Resources
  readonly rounds: number
  /** Length of one measurement. */
  readonly seconds: number
  /** How far behind the subscriber of `stream-backfill` is. */
  readonly messages: number
  readonly profileDirectory: string | null
  /** Progress, for people. */
  tell(text: string): void
}

export interface BenchResult {
  /** Goes out as one JSON object after `bench`; figures are medians over the rounds. */
  readonly json: Readonly<Record<string, unknown>>
  readonly rows: readonly Row[]
  /** Sentences below the table: what was verified, what was counted. */
  readonly notes: readonly string[]
}

export interface Row {
  readonly what: string
  readonly figure: Figure
  readonly unit: string
  /** What is wished for, such as `>= 0.5`; null where nothing is. */
  readonly wanted: Wanted | null
}

export interface Wanted {
  readonly atLeast?: number
  readonly atMost?: number
}

/** A row without a wish. */
export function row(what: string, figure: Figure, unit: string): Row {
  return { what, figure, unit, wanted: null }
}

/** An error of the product, not of the bench: something acknowledged was lost, doubled or out of order. */
export function verify(holds: boolean, promise: string): void {
  if (!holds) {
    throw new Error(`VIOLATED: ${promise}`)
  }
}
