import { Worker } from 'node:worker_threads'
import { createSchemaChecker, type SchemaAnswer, type SchemaJob } from './schema-checker.ts'

export type CheckingMessage =
  | { readonly kind: 'ready' }
  /** `tookMs` is measured here: the parent may hear of it late. */
  | { readonly kind: 'answered'; readonly problem: SchemaAnswer; readonly tookMs: number }

/*
 * What runs in the process that checks: it answers the jobs it is sent one by one, in their order. Its first message
 * says that it is ready. It ends when its parent closes the channel; while a check keeps it from noticing, the thread does.
 */
const answer = createSchemaChecker()
process.on('message', (job: SchemaJob) => {
  const beganMs = performance.now()
  const problem = answer(job)
  tell({ kind: 'answered', problem, tookMs: performance.now() - beganMs })
})

const watch = new URL(import.meta.url.endsWith('.ts') ? './parent-watch.ts' : './parent-watch.js', import.meta.url)
new Worker(watch, { workerData: Number(process.argv[2]) }).unref()

tell({ kind: 'ready' })

function tell(message: CheckingMessage): void {
  process.send?.(message)
}
