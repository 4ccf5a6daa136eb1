import { builder } from './builder.ts'

export const ListOrder = builder.enumType('ListOrder', {
  description: 'The order of a list by age.',
  values: {
    NEWEST_FIRST: { value: 'newest-first', description: 'Latest first.' },
    OLDEST_FIRST: { value: 'oldest-first', description: 'Earliest first.' },
  } as const,
})
