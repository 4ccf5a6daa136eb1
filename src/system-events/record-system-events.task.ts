import { z } from 'zod'
import { defineTask } from '../queue/index.ts'

/** 'The outbox holds system events.' One waiting task serves all that is there when it runs. */
export const recordSystemEvents = defineTask({ name: 'record-system-events', payload: z.object({}) })
