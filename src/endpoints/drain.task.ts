import { z } from 'zod'
import type { EndpointId } from '../kernel/ids.ts'
import { defineTask } from '../queue/index.ts'

/** 'This endpoint has due deliveries.' One waiting task per endpoint; its key is the endpoint's id. */
export const drainTask = defineTask<{ endpointId: EndpointId }>({
  name: 'drain',
  payload: z.object({ endpointId: z.custom<EndpointId>((value) => typeof value === 'string') }),
})

export function drainTaskFor(endpointId: EndpointId) {
  return { payload: { endpointId }, singletonKey: endpointId }
}
