import { builder } from './builder.ts'

export const TimeRangeInput = builder.inputType('TimeRangeInput', {
  description: 'A span of time; a bound that is left out is open.',
  fields: (t) => ({
    from: t.field({ type: 'DateTime', description: 'Included.' }),
    to: t.field({ type: 'DateTime', description: 'Excluded.' }),
  }),
})
