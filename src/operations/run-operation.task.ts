import { z } from 'zod'
import type { OperationId } from '../kernel/ids.ts'
import { defineTask } from '../queue/index.ts'

/** 'This operation is to be gone on with.' One waiting task per operation; its key is the operation's id. */
export const runOperation = defineTask<{ operationId: OperationId }>({
  name: 'run-operation',
  payload: z.object({ operationId: z.custom<OperationId>((value) => typeof value === 'string') }),
})

export function runOperationFor(operationId: OperationId) {
  return { payload: { operationId }, singletonKey: operationId }
}
