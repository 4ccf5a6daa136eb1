import { Worker } from 'node:worker_threads'
import { createSchemaChecker, type SchemaJob } from './schema-checker.ts'

/*
 * What runs in the process that checks: it answers the jobs it is sent one by one, in their order. Its first message says
 * that it is ready. It ends when its parent closes the channel; while a check keeps it from noticing, the thread does.
 */
const answer = createSchemaChecker()
process.on('message', (job: SchemaJob) => process.send?.(answer(job)))

const watch = new URL(import.meta.url.endsWith('.ts') ? './parent-watch.ts' : './parent-watch.js', import.meta.url)
new Worker(watch, { workerData: Number(process.argv[2]) }).unref()

process.send?.(null)
