import { z } from 'zod'
import type { SourceId } from '../kernel/ids.ts'
import { defineTask } from '../queue/index.ts'

/**
 * 'This source has messages that endpoints may want.' One waiting task per source serves all that is committed until
 * it runs: how far to go is read from the source's head at that time. The deliveries domain holds the handler.
 */
export const fanOutTask = defineTask<{ sourceId: SourceId }>({
  name: 'fan-out',
  payload: z.object({ sourceId: z.custom<SourceId>((value) => typeof value === 'string') }),
})
