import { z } from 'zod'
import type { EndpointId } from '../kernel/ids.ts'
import { defineTask } from '../queue/index.ts'

/** Cancels the open deliveries of a deleted endpoint; the finished ones stay. */
export const purgeEndpoint = defineTask({
  name: 'purge-endpoint',
  payload: z.object({ endpointId: z.custom<EndpointId>((value) => typeof value === 'string') }),
})
