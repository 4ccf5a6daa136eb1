import { createHash } from 'node:crypto'
import { connect, createServer, type Socket } from 'node:net'
import pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { newMessage, type Recording, startRecording } from '../../test/support/recording.ts'
import { until } from '../../test/support/until.ts'
import { newId, type SourceId } from '../kernel/ids.ts'
import type { NewMessage } from './message.ts'
import { createMessageStore } from './message-store.ts'
import type { Claim, Recordable } from './record-statements.ts'
import type { Recorder } from './recorder.ts'

let recording: Recording

beforeEach(async () => {
  recording = await startRecording()
})

afterEach(() => recording.close())

const dayMs = 24 * 3_600_000

const claimOf = (key: string | null, bodyHash: Buffer | null = null): Claim | null =>
  key === null ? null : { key, bodyHash, windowMs: dayMs }

const record = (recorder: Recorder, message: NewMessage, key: string | null = null, bodyHash: Buffer | null = null) =>
  recorder.record({ message, claim: claimOf(key, bodyHash) })

const hashOf = (text: string) => createHash('sha256').update(text).digest()

test('sequences are dense and in the order of arrival, for each of many sources at once', async () => {
  const recorder = recording.recorder()
  const sources = await Promise.all(Array.from({ length: 5 }, () => recording.newSource()))
  const sent = Array.from({ length: 1_000 }, (_, index) => newMessage(sources[index % 5] as SourceId))
  const answers = await Promise.all(sent.map((message) => record(recorder, message)))
  expect(new Set(answers.map((answer) => answer.kind))).toEqual(new Set(['recorded']))
  for (const source of sources) {
    const ids = sent.filter((message) => message.sourceId === source).map((message) => message.id)
    expect(await recording.logOf(source)).toEqual(ids.map((id, index) => ({ id, sequence: index + 1 })))
  }
})

test('what is stored is what was sent, byte for byte', async () => {
  const recorder = recording.recorder()
  const source = await recording.newSource()
  const bodies = [
    Buffer.alloc(0),
    Buffer.from([0, 255, 0xc0, 0x80]),
    Buffer.alloc(300_000, 7),
    Buffer.from('\u{feff}x'),
  ]
  const headersText = JSON.stringify([
    ['X-Café', 'é "\\'],
    ['x-café', ''],
  ])
  const sent = bodies.map((body) => newMessage(source, { body, headersText, query: 'a=%00', eventType: 'a.b' }))
  await Promise.all(sent.map((message) => record(recorder, message)))
  const page = await createMessageStore(recording.sql).page(source, 0, { maxRows: 10, maxBytes: 1e9 })
  expect(page.map(({ sequence: _, sizeBytes: __, ...message }) => message)).toEqual(sent)
})

test('a message that the database cannot hold harms itself alone', async () => {
  const recorder = recording.recorder({ limits: { lanes: 1 } })
  const source = await recording.newSource()
  const messages = Array.from({ length: 50 }, (_, index) =>
    newMessage(source, index === 20 ? { eventType: 'poisoned\u0000' } : {}),
  )
  const answers = await Promise.all(messages.map((message) => record(recorder, message)))
  expect(answers.map((answer) => answer.kind)).toEqual(
    messages.map((_, index) => (index === 20 ? 'unstorable' : 'recorded')),
  )
  const log = await recording.logOf(source)
  expect(log.map((row) => row.sequence)).toEqual(Array.from({ length: 49 }, (_, index) => index + 1))
})

test('of a hundred requests with one key, in two processes, one is stored and all get its answer', async () => {
  const [one, other] = [recording.recorder(), recording.recorder()]
  const source = await recording.newSource()
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, index) => record(index % 2 ? one : other, newMessage(source), 'key-1')),
  )
  const [stored, ...more] = await recording.logOf(source)
  expect(more).toEqual([])
  for (const answer of answers) expect(answer).toMatchObject({ kind: 'recorded', id: stored?.id, sequence: 1 })
  expect(answers.filter((answer) => answer.kind === 'recorded' && !answer.isDuplicate)).toHaveLength(1)
  expect(await record(one, newMessage(source))).toMatchObject({ sequence: 2, isDuplicate: false })
})

test('a key holds for its window, and per source', async () => {
  const recorder = recording.recorder()
  const [source, other] = [await recording.newSource(), await recording.newSource()]
  await record(recorder, newMessage(source), 'key-1')
  expect(await record(recorder, newMessage(other), 'key-1')).toMatchObject({ sequence: 1, isDuplicate: false })
  await recording.sql.query(`update claims set expires_at = expires_at - interval '24 hours 1 second'`)
  expect(await record(recorder, newMessage(source), 'key-1')).toMatchObject({ sequence: 2, isDuplicate: false })
})

test('a key with another body is refused, whether the first came in the same batch or long before', async () => {
  const recorder = recording.recorder({ limits: { lanes: 1 } })
  const source = await recording.newSource()
  const [first, same, other] = await Promise.all([
    record(recorder, newMessage(source), 'key-1', hashOf('a')),
    record(recorder, newMessage(source), 'key-1', hashOf('a')),
    record(recorder, newMessage(source), 'key-1', hashOf('b')),
  ])
  expect(first).toMatchObject({ kind: 'recorded', sequence: 1, isDuplicate: false })
  expect(same).toMatchObject({ kind: 'recorded', sequence: 1, isDuplicate: true })
  expect(other).toEqual({ kind: 'key-reused' })
  expect(await record(recorder, newMessage(source), 'key-1', hashOf('c'))).toEqual({ kind: 'key-reused' })
  expect(await record(recorder, newMessage(source), 'key-1', hashOf('a'))).toEqual(same)
})

test('a key answers as the first time although retention has dropped its message', async () => {
  const recorder = recording.recorder()
  const source = await recording.newSource()
  await record(recorder, newMessage(source))
  const first = await record(recorder, newMessage(source), 'key-1')
  await recording.sql.query(`delete from messages`)
  expect(await record(recorder, newMessage(source), 'key-1')).toEqual({ ...first, isDuplicate: true })
})

test('of several messages that stand together all are stored, in their order, or none', async () => {
  const recorder = recording.recorder({ limits: { lanes: 1 } })
  const source = await recording.newSource()
  const several = (count: number, change: (index: number) => Partial<NewMessage> = () => ({})) =>
    Array.from({ length: count }, (_, index) => ({ message: newMessage(source, change(index)), claim: null }))
  const recordAll = async (items: Recordable[]) => {
    const [first, ...more] = items
    if (first === undefined) throw new RangeError('no items')
    const answers = await recorder.recordAll([first, ...more])
    return 'kind' in answers ? [answers] : answers
  }
  const [whole, poisoned, single] = await Promise.all([
    recordAll(several(3)),
    recordAll(several(3, (index) => (index === 1 ? { eventType: 'poisoned\u0000' } : {}))),
    record(recorder, newMessage(source)),
  ])
  expect(whole.map((answer) => answer.kind === 'recorded' && answer.sequence)).toEqual([1, 2, 3])
  expect(new Set(poisoned.map((answer) => answer.kind))).toEqual(new Set(['unstorable']))
  expect(single).toMatchObject({ kind: 'recorded', sequence: 4 })

  await record(recorder, newMessage(source), 'taken', hashOf('a'))
  const claimed = several(2).map(({ message }, index) => ({
    message,
    claim: claimOf(index === 1 ? 'taken' : 'free', hashOf('b')),
  }))
  expect(await recordAll(claimed)).toEqual([{ kind: 'key-reused' }, { kind: 'key-reused' }])
  expect(await recording.logOf(source)).toHaveLength(5)

  const repeated = ['x', 'y', 'x'].map((key) => ({ message: newMessage(source), claim: claimOf(key) }))
  expect(await recordAll(repeated)).toMatchObject([
    { sequence: 6, isDuplicate: false },
    { sequence: 7, isDuplicate: false },
    { sequence: 6, isDuplicate: true },
  ])
})

test('the log counts the bytes of all its bodies, in every message', async () => {
  const recorder = recording.recorder()
  const source = await recording.newSource()
  for (const bytes of [10, 0, 5]) await record(recorder, newMessage(source, { body: Buffer.alloc(bytes) }))
  await Promise.all([1, 2].map((bytes) => record(recorder, newMessage(source, { body: Buffer.alloc(bytes) }))))
  const rows = await recording.sql.query(`select m.log_bytes from messages as m order by m.sequence`)
  expect(rows.map((row) => Object.values(row)[0])).toEqual([10, 10, 15, 16, 18])
  expect(await recording.sql.query(`select log_bytes from source_heads`)).toEqual([{ log_bytes: 18 }])
})

test('a source whose head is locked delays the others once at most, and works again afterwards', async () => {
  const recorder = recording.recorder({ limits: { lanes: 1 } })
  const [locked, free] = [await recording.newSource(), await recording.newSource()]
  const blocker = await lockHead(locked)
  const [blocked, ...answers] = await Promise.all([
    record(recorder, newMessage(locked)),
    ...Array.from({ length: 10 }, () => record(recorder, newMessage(free))),
  ])
  expect(blocked?.kind).toBe('unavailable')
  expect(new Set(answers.map((answer) => answer.kind))).toEqual(new Set(['recorded']))
  // It now waits aside: the other source is answered first.
  const order: string[] = []
  await Promise.all([
    record(recorder, newMessage(locked)).then(() => order.push('locked')),
    record(recorder, newMessage(free)).then(() => order.push('free')),
  ])
  expect(order).toEqual(['free', 'locked'])
  await blocker.release()
  expect(await record(recorder, newMessage(locked))).toMatchObject({ kind: 'recorded', sequence: 1 })
})

test('a flood to a source whose head is locked delays the others once at most, and leaves them room', async () => {
  const recorder = recording.recorder({ limits: { lanes: 1, batchMessages: 5, queueMessages: 40 } })
  const [locked, free] = [await recording.newSource(), await recording.newSource()]
  const blocker = await lockHead(locked)
  const order: string[] = []
  const send = async (source: SourceId) => {
    const { kind } = await record(recorder, newMessage(source))
    order.push(`${source === locked ? 'locked' : 'free'} ${kind}`)
  }
  const flood = Array.from({ length: 30 }, () => send(locked))
  await Promise.all([send(free), send(free)])
  // Only the flood's first batch was met on the way.
  expect(order).toEqual([...Array(5).fill('locked unavailable'), 'free recorded', 'free recorded'])
  const more = Array.from({ length: 60 }, () => send(locked))
  await Promise.all(Array.from({ length: 30 }, () => send(free)))
  expect(order.filter((answer) => answer === 'free recorded')).toHaveLength(32)
  expect(order).toContain('locked overloaded')
  await blocker.release()
  await Promise.all([...flood, ...more])
})

test('a full queue turns away at once', async () => {
  const recorder = recording.recorder({ limits: { queueMessages: 10 } })
  const source = await recording.newSource()
  const answers = await Promise.all(Array.from({ length: 15 }, () => record(recorder, newMessage(source))))
  expect(answers.filter((answer) => answer.kind === 'overloaded')).toHaveLength(5)
  expect(await recording.logOf(source)).toHaveLength(10)
})

test('what was acknowledged is stored although connections are killed all the time', async () => {
  const recorder = recording.recorder()
  const source = await recording.newSource()
  const acknowledged: string[] = []
  let isOver = false
  const killer = (async () => {
    while (!isOver)
      await recording.sql.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
          where application_name = 'hookline recorder' and datname = current_database()`,
      )
  })()
  for (let round = 0; round < 60; round++) {
    const answers = await Promise.all(Array.from({ length: 20 }, () => record(recorder, newMessage(source))))
    for (const answer of answers) if (answer.kind === 'recorded') acknowledged.push(answer.id)
  }
  isOver = true
  await killer
  const log = await recording.logOf(source)
  expect(new Set(log.map((row) => row.id)).isSupersetOf(new Set(acknowledged))).toBe(true)
  expect(log.map((row) => row.sequence)).toEqual(log.map((_, index) => index + 1))
  expect(await record(recorder, newMessage(source))).toMatchObject({ kind: 'recorded', sequence: log.length + 1 })
})

test('a commit whose answer got lost is looked up, not repeated', async () => {
  const proxy = await startProxy(recording.databaseUrl)
  const recorder = recording.recorder({ databaseUrl: proxy.databaseUrl, limits: { lanes: 1 } })
  const source = await recording.newSource()
  await record(recorder, newMessage(source))
  proxy.loseNextAnswer()
  const message = newMessage(source)
  expect(await record(recorder, message)).toMatchObject({ kind: 'recorded', id: message.id, sequence: 2 })
  expect(await recording.logOf(source)).toHaveLength(2)
  await recorder.close()
  proxy.close()
})

test('what was answered as not stored is not stored later by the connection that broke', async () => {
  const proxy = await startProxy(recording.databaseUrl)
  const recorder = recording.recorder({ databaseUrl: proxy.databaseUrl, limits: { lanes: 1 } })
  const source = await recording.newSource()
  await record(recorder, newMessage(source))
  const blocker = await lockHead(source)
  const answer = record(recorder, newMessage(source))
  await until(async () => (await blocker.waiting()) > 0, true)
  proxy.cutClients()
  expect((await answer).kind).toBe('unavailable')
  await blocker.release()
  expect(await record(recorder, newMessage(source))).toMatchObject({ kind: 'recorded', sequence: 2 })
  expect(await recording.logOf(source)).toHaveLength(2)
  await recorder.close()
  proxy.close()
})

test('a claim whose time is over does not answer for a message that a broken connection lost', async () => {
  const proxy = await startProxy(recording.databaseUrl)
  const recorder = recording.recorder({ databaseUrl: proxy.databaseUrl, limits: { lanes: 1 } })
  const source = await recording.newSource()
  await record(recorder, newMessage(source), 'key-1')
  await recording.sql.query(`update claims set expires_at = now() - interval '1 second'`)
  const blocker = await lockHead(source)
  const answer = record(recorder, newMessage(source), 'key-1')
  await until(async () => (await blocker.waiting()) > 0, true)
  proxy.cutClients()
  expect((await answer).kind).toBe('unavailable')
  await blocker.release()
  expect(await record(recorder, newMessage(source), 'key-1')).toMatchObject({ sequence: 2, isDuplicate: false })
  await recorder.close()
  proxy.close()
})

test('a session whose prepared statements no longer fit the tables is replaced without an error', async () => {
  const recorder = recording.recorder({ limits: { lanes: 1 } })
  const source = await recording.newSource()
  await record(recorder, newMessage(source))
  await recording.sql.query('alter table messages alter column id type varchar')
  expect(await record(recorder, newMessage(source))).toMatchObject({ kind: 'recorded', sequence: 2 })
})

test('a failure that is the session’s own does not outlive it', async () => {
  const recorder = recording.recorder({ limits: { lanes: 1 } })
  const source = await recording.newSource()
  const database = new URL(recording.databaseUrl).pathname.slice(1)
  await recording.sql.query(`alter database ${database} set default_transaction_read_only = on`)
  expect((await record(recorder, newMessage(source))).kind).toBe('unavailable')
  await recording.sql.query(`alter database ${database} reset default_transaction_read_only`)
  expect(await record(recorder, newMessage(source))).toMatchObject({ kind: 'recorded', sequence: 1 })
})

test('a source that is gone takes no message and answers for none', async () => {
  const recorder = recording.recorder()
  const [gone, there] = [newId('src'), await recording.newSource()]
  const answers = await Promise.all([
    record(recorder, newMessage(gone), 'key-1'),
    record(recorder, newMessage(there), 'key-1'),
    record(recorder, newMessage(gone), 'key-1'),
  ])
  expect(answers.map(({ kind }) => kind)).toEqual(['source-gone', 'recorded', 'source-gone'])
  expect((await record(recorder, newMessage(gone), 'key-1')).kind).toBe('source-gone')
})

test('while the database is away nothing is acknowledged, and afterwards all goes on', async () => {
  const proxy = await startProxy(recording.databaseUrl)
  const recorder = recording.recorder({ databaseUrl: proxy.databaseUrl })
  const source = await recording.newSource()
  proxy.refuse(true)
  expect((await record(recorder, newMessage(source))).kind).toBe('unavailable')
  proxy.refuse(false)
  expect(await record(recorder, newMessage(source))).toMatchObject({ kind: 'recorded', sequence: 1 })
  await recorder.close()
  proxy.close()
})

async function lockHead(sourceId: SourceId) {
  const session = new pg.Client({ connectionString: recording.databaseUrl })
  await session.connect()
  await session.query('begin')
  await session.query('select 1 from source_heads where source_id = $1 for update', [sourceId])
  return {
    async waiting(): Promise<number> {
      const rows = await recording.sql.query<{ pid: number }>(
        `select l.pid from pg_locks as l join pg_stat_activity as a on a.pid = l.pid
          where not l.granted and a.datname = current_database()`,
      )
      return rows.length
    },
    async release(): Promise<void> {
      await session.query('rollback')
      await session.end()
    },
  }
}

// Stands between the recorder and PostgreSQL, to lose what a network loses.
async function startProxy(databaseUrl: string) {
  const target = new URL(databaseUrl)
  const directory = target.searchParams.get('host') ?? decodeURIComponent(target.hostname)
  const sockets = new Set<Socket>()
  let losesAnswer = false
  let refuses = false
  const server = createServer((client) => {
    sockets.add(client)
    client.on('error', () => undefined)
    if (refuses) return client.destroy()
    const upstream = connect(`${directory}/.s.PGSQL.5432`)
    upstream.on('error', () => client.destroy())
    client.pipe(upstream)
    upstream.on('data', (data) => {
      if (losesAnswer && data.includes('COMMIT')) {
        losesAnswer = false
        client.destroy()
      } else if (!client.destroyed) client.write(data)
    })
    client.on('close', () => upstream.end())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : 0
  return {
    databaseUrl: `postgres://${target.username}@127.0.0.1:${port}${target.pathname}`,
    loseNextAnswer: () => {
      losesAnswer = true
    },
    refuse(value: boolean) {
      refuses = value
      if (value) for (const socket of sockets) socket.destroy()
    },
    /** The clients' side alone: what PostgreSQL has received it goes on with. */
    cutClients() {
      for (const socket of sockets) socket.destroy()
    },
    close: () => server.close(),
  }
}
