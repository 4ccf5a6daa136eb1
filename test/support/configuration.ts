import { Registry } from 'prom-client'
import { type Reach, wholeProject } from '../../src/auth/viewer.ts'
import { createOrm, type Orm } from '../../src/db/orm.ts'
import { createPool } from '../../src/db/pool.ts'
import { type Sql, sqlOfPool } from '../../src/db/sql.ts'
import { purgeEndpoint } from '../../src/endpoints/purge-endpoint.task.ts'
import { entities } from '../../src/entities.ts'
import { createLog } from '../../src/kernel/log.ts'
import type { Outcome } from '../../src/kernel/outcome.ts'
import { createEpochs, type Epochs } from '../../src/live/epoch.ts'
import { createMemoryBus } from '../../src/live/memory-bus.ts'
import { type AddressGuard, createAddressGuard } from '../../src/outbound/address-guard.ts'
import { createTaskQueue, type TaskQueue } from '../../src/queue/index.ts'
import { createSealer, generateMasterKey, parseMasterKeys, type Sealer } from '../../src/secrets/index.ts'
import { createProject } from '../../src/sources/create-project.ts'
import { purgeSource } from '../../src/sources/purge-source.task.ts'
import { createTestDatabase } from './database.ts'

/** What the operations on configuration need, on a database of the test's own. */
export interface Configuration {
  readonly orm: Orm
  readonly sql: Sql
  readonly sealer: Sealer
  readonly epochs: Epochs
  readonly guard: AddressGuard
  readonly queue: TaskQueue
  /** A new project under a name of its own, reached as the operator does. */
  newProject(): Promise<Reach>
  /** A process of its own on the same database: it shares neither memory nor a bus with the first. */
  secondProcess(): Promise<Pick<Configuration, 'orm' | 'sql' | 'epochs'>>
  close(): Promise<void>
}

const log = createLog({ level: 'silent', isPretty: false })

export async function startConfiguration(): Promise<Configuration> {
  const database = await createTestDatabase()
  const disposers: (() => Promise<void>)[] = [() => database.drop()]
  const newProcess = async () => {
    const process = await startProcess(database.databaseUrl)
    disposers.push(process.close)
    return process
  }
  const first = await newProcess()
  const queue = createTaskQueue({ pool: first.pool, log, metrics: new Registry() })
  await queue.start([purgeSource, purgeEndpoint])
  disposers.push(() => queue.stop())
  let projects = 0
  return {
    ...first,
    sealer: newSealer(),
    guard: createAddressGuard({ allowedNetworks: [], allowsLoopback: false }),
    queue,
    async newProject() {
      projects += 1
      return wholeProject(doneValue(await createProject(first, { name: `project-${projects}` })).id)
    },
    secondProcess: newProcess,
    async close() {
      for (const dispose of disposers.reverse()) await dispose()
    },
  }
}

/** The value of an outcome that must be `done`. */
export function doneValue<Value>(outcome: Outcome<Value>): Value {
  if (outcome.kind !== 'done') throw new Error(`not done: ${JSON.stringify(outcome)}`)
  return outcome.value
}

/** The codes and dotted paths of the issues of an outcome that must be `invalid`. */
export function issuesOf(outcome: Outcome<unknown>): string[] {
  if (outcome.kind !== 'invalid') throw new Error(`not invalid: ${outcome.kind}`)
  return outcome.issues.map((issue) => `${issue.code} ${issue.path.join('.')}`)
}

async function startProcess(databaseUrl: string) {
  const pool = createPool({ databaseUrl, max: 6, applicationName: 'hookline test', onError: () => undefined })
  const orm = await createOrm({ pool, entities })
  const sql = sqlOfPool(pool)
  const bus = createMemoryBus()
  const epochs = createEpochs({ sql, bus, log, pollMs: 50 })
  const close = async () => {
    epochs.close()
    await bus.close()
    await orm.close()
    await pool.end()
  }
  return { pool, orm, sql, epochs, close }
}

function newSealer(): Sealer {
  const parsed = parseMasterKeys(generateMasterKey())
  if (!parsed.ok) throw new Error(parsed.problems.join())
  return createSealer(parsed.keys)
}
