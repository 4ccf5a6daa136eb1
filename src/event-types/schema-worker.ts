import { parentPort } from 'node:worker_threads'
import { createSchemaChecker, type SchemaJob } from './schema-checker.ts'

/*
 * The thread that checks: it answers the jobs it is sent one by one, in their order. Its first message says that it is
 * ready. See schema-thread.ts for who ends it.
 */
const answer = createSchemaChecker()
parentPort?.on('message', (job: SchemaJob) => parentPort?.postMessage(answer(job)))
parentPort?.postMessage(null)
