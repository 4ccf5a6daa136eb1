import { z } from 'zod'
import { defineTask } from '../queue/index.ts'

/** 'Look whether something was left behind.' About once a minute over all processes. */
export const maintainTask = defineTask<Record<string, never>>({
  name: 'maintain',
  payload: z.object({}).strict(),
  isRoutine: true,
})
