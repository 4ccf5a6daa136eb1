import { pino } from 'pino'
import { Registry } from 'prom-client'
import { createPool } from '../../src/db/pool.ts'
import { type Sql, sqlOfPool } from '../../src/db/sql.ts'
import { newId, type ProjectId, type SourceId } from '../../src/kernel/ids.ts'
import {
  createRecorder,
  fanOutTask,
  type NewMessage,
  type Recorder,
  type RecorderLimits,
} from '../../src/messages/index.ts'
import { createTaskQueue } from '../../src/queue/index.ts'
import { createTestDatabase } from './database.ts'

/** A recorder on a database of its own, with sources but nothing else of the gateway. */
export interface Recording {
  readonly sql: Sql
  readonly databaseUrl: string
  recorder(options?: { limits?: Partial<RecorderLimits>; databaseUrl?: string }): Recorder
  newSource(): Promise<SourceId>
  /** The stored sequences and ids of a source, in order. */
  logOf(sourceId: SourceId): Promise<{ sequence: number; id: string }[]>
  close(): Promise<void>
}

const projectId: ProjectId = newId('prj')

export async function startRecording(): Promise<Recording> {
  const database = await createTestDatabase()
  const onError = () => undefined
  const pool = createPool({ databaseUrl: database.databaseUrl, max: 5, applicationName: 'test', onError })
  const sql = sqlOfPool(pool)
  const queue = createTaskQueue({ pool, log: pino({ level: 'silent' }), metrics: new Registry() })
  await queue.start([fanOutTask])
  const recorders: Recorder[] = []
  return {
    sql,
    databaseUrl: database.databaseUrl,
    recorder({ limits = {}, databaseUrl = database.databaseUrl } = {}) {
      const rows = (ids: readonly SourceId[]) => ids.map((id) => ({ payload: { sourceId: id }, singletonKey: id }))
      const recorder = createRecorder({
        databaseUrl,
        fanOutStatement: (ids) => queue.insertStatement(fanOutTask, rows(ids)),
        onCommitted: () => undefined,
        onError,
        metrics: new Registry(),
        limits,
      })
      recorders.push(recorder)
      return recorder
    },
    async newSource() {
      const id = newId('src')
      await sql.query(`insert into source_heads (source_id, project_id, log_epoch) values ($1, $2, 'a')`, [
        id,
        projectId,
      ])
      return id
    },
    logOf: (sourceId) =>
      sql.query(`select m.sequence, m.id from messages as m where m.source_id = $1 order by m.sequence`, [sourceId]),
    async close() {
      await Promise.all(recorders.map((recorder) => recorder.close()))
      await queue.stop()
      await pool.end()
      await database.drop()
    },
  }
}

export function newMessage(sourceId: SourceId, change: Partial<NewMessage> = {}): NewMessage {
  return {
    id: newId('msg'),
    projectId,
    sourceId,
    receivedAt: new Date(),
    method: 'POST',
    path: null,
    query: null,
    headersText: '[["content-type","application/json"]]',
    contentType: 'application/json',
    remoteAddress: '127.0.0.1',
    body: Buffer.from('{"hello":"world"}'),
    eventId: null,
    eventSource: null,
    eventType: null,
    eventSubject: null,
    eventTime: null,
    eventDataSchema: null,
    eventExtensions: null,
    schemaViolation: null,
    ...change,
  }
}
