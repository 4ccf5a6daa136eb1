import { slots } from './histogram.ts'

/** Numbers that are added up; all but the histogram. */
export const counters = [
  'received',
  'refused',
  'created',
  'delivered',
  'failed',
  'retried',
  'attempts',
  'duration_ms',
] as const

export type Counter = (typeof counters)[number]

/** SQL: a list with one item per counter. */
export function eachCounter(item: (counter: Counter) => string): string {
  return counters.map(item).join(', ')
}

/** SQL, in an upsert: adds what was to be inserted to the row that is there, called `target`. */
export function addExcluded(target: string): string {
  return `set ${eachCounter((counter) => `${counter} = ${target}.${counter} + excluded.${counter}`)},
              histogram = case when excluded.histogram = '{}' then ${target}.histogram
                               else (select array_agg(coalesce(s.a, 0) + coalesce(s.b, 0) order by s.slot)
                                       from unnest(${target}.histogram, excluded.histogram) with ordinality
                                         as s (a, b, slot))
                           end`
}

/**
 * SQL: an aggregate, the sum of histograms slot by slot, as doubles, which hold sums up to 2^53 exactly. To unnest the
 * histograms would mean to sort all that they hold.
 *
 * @param histogram the name of a column.
 */
export function sumOfHistograms(histogram: string): string {
  const sums = slots.map((slot) => `coalesce(sum(${histogram}[${slot + 1}]::float8), 0)`).join(', ')
  return `(array[${sums}])[1:max(cardinality(${histogram}))]`
}
