import { z } from 'zod'
import type { SourceId } from '../kernel/ids.ts'
import { defineTask } from '../queue/index.ts'

/** Removes what a deleted source leaves behind, its messages and claims, and cancels its open deliveries. */
export const purgeSource = defineTask({
  name: 'purge-source',
  payload: z.object({ sourceId: z.custom<SourceId>((value) => typeof value === 'string') }),
})
