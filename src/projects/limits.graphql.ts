import { builder } from '../graphql/builder.ts'
import type { RateLimit, Retention } from './limits.ts'

const countDescription = 'How many; 1 or more.'
const windowDescription = 'In how many milliseconds; 1,000 to 3,600,000.'
const rateLimitDescription = 'At most so many in such a time.'

export const RateLimitType = builder.objectRef<RateLimit>('RateLimit').implement({
  description: rateLimitDescription,
  fields: (t) => ({
    count: t.exposeInt('count', { description: countDescription }),
    windowMs: t.exposeInt('windowMs', { description: windowDescription }),
  }),
})

export const RateLimitInput = builder.inputType('RateLimitInput', {
  description: rateLimitDescription,
  fields: (t) => ({
    count: t.int({ required: true, description: 'How many; 1 to 1,000,000,000.' }),
    windowMs: t.int({ required: true, defaultValue: 1_000, description: windowDescription }),
  }),
})

const retentionDescription = 'How long messages are kept: until the first of these bounds is passed.'

export const RetentionType = builder.objectRef<Retention>('Retention').implement({
  description: retentionDescription,
  fields: (t) => ({
    maxMessages: t.expose('maxMessages', {
      type: 'SafeInt',
      description: 'Messages per source; null when unlimited.',
      nullable: true,
    }),
    maxBytes: t.expose('maxBytes', {
      type: 'SafeInt',
      description: 'Body bytes per source; null when unlimited.',
      nullable: true,
    }),
    maxAgeHours: t.exposeInt('maxAgeHours', { description: 'Age in hours; null when unlimited.', nullable: true }),
  }),
})

export const RetentionInput = builder.inputType('RetentionInput', {
  description: retentionDescription,
  fields: (t) => ({
    maxMessages: t.field({ type: 'SafeInt', description: 'Messages per source, 1 or more; left out: unlimited.' }),
    maxBytes: t.field({ type: 'SafeInt', description: 'Body bytes per source, 1 or more; left out: unlimited.' }),
    maxAgeHours: t.int({ description: 'Age in hours, 1 to 1,000,000; left out: unlimited.' }),
  }),
})
