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
