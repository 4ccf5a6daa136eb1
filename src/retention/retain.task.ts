import { z } from 'zod'
import { isId, type SourceId } from '../kernel/ids.ts'
import { defineTask } from '../queue/index.ts'

/** 'The source keeps more than its rule allows, or has not dropped all that it no longer keeps.' Key: the source. */
export const retainTask = defineTask<{ sourceId: SourceId }>({
  name: 'retain',
  payload: z.object({ sourceId: z.custom<SourceId>((value) => typeof value === 'string' && isId('src', value)) }),
  isRoutine: true,
})
