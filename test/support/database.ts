import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { Registry } from 'prom-client'
import { inject } from 'vitest'
import { createOrm, migrate } from '../../src/db/orm.ts'
import { createPool } from '../../src/db/pool.ts'
import { drainTask } from '../../src/deliveries/drain.task.ts'
import { maintainTask } from '../../src/deliveries/maintain.task.ts'
import { purgeEndpoint } from '../../src/endpoints/purge-endpoint.task.ts'
import { createLog } from '../../src/kernel/log.ts'
import { fanOutTask } from '../../src/messages/fan-out.task.ts'
import { runOperation } from '../../src/operations/run-operation.task.ts'
import { createTaskQueue } from '../../src/queue/index.ts'
import { retainTask } from '../../src/retention/retain.task.ts'
import { purgeSource } from '../../src/sources/purge-source.task.ts'
import { recordSystemEvents } from '../../src/system-events/record-system-events.task.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The server that the test run started or was given; its database `postgres`. */
    databaseServerUrl: string
    /** The migrated database that tests are cloned from. */
    templateName: string
  }
}

const tasks = [
  fanOutTask,
  drainTask,
  maintainTask,
  retainTask,
  runOperation,
  recordSystemEvents,
  purgeSource,
  purgeEndpoint,
]

export interface TestDatabase {
  readonly databaseUrl: string
  drop(): Promise<void>
}

/** A fresh, migrated database of this test's own, cloned from the run's template. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const serverUrl = inject('databaseServerUrl')
  const name = `test_${randomBytes(6).toString('hex')}`
  await admin(serverUrl, `create database ${name} template ${inject('templateName')}`)
  return {
    databaseUrl: databaseUrlOf(serverUrl, name),
    drop: () => admin(serverUrl, `drop database if exists ${name} with (force)`),
  }
}

/**
 * Makes the template that the run's databases are cloned from, under a name of this run's own. The queue's own tables
 * are in it too: to make them takes longer than all else that a gateway does at its start.
 */
export async function createTemplate(serverUrl: string): Promise<string> {
  const templateName = `template_${randomBytes(6).toString('hex')}`
  await admin(serverUrl, `create database ${templateName}`)
  const databaseUrl = databaseUrlOf(serverUrl, templateName)
  const pool = createPool({ databaseUrl, max: 2, applicationName: 'template', onError: () => undefined })
  const orm = await createOrm({ pool, entities: [] })
  await migrate(orm, databaseUrl)
  await orm.close()
  const queue = createTaskQueue({ pool, log: createLog({ level: 'silent', isPretty: false }), metrics: new Registry() })
  await queue.start(tasks)
  await queue.stop()
  await pool.end()
  return templateName
}

export async function dropTemplate(serverUrl: string, templateName: string): Promise<void> {
  await admin(serverUrl, `drop database if exists ${templateName} with (force)`)
}

function databaseUrlOf(serverUrl: string, name: string): string {
  const url = new URL(serverUrl.replace('@/', '@localhost/'))
  url.pathname = `/${name}`
  return url.href
}

async function admin(serverUrl: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: serverUrl })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
