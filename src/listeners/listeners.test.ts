import { Registry } from 'prom-client'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { type Configuration, doneValue, startConfiguration } from '../../test/support/configuration.ts'
import { until } from '../../test/support/until.ts'
import type { Viewer } from '../auth/index.ts'
import { createApiKey, revokeApiKey } from '../auth/index.ts'
import { inTransaction } from '../db/transaction.ts'
import { newId, type SourceId } from '../kernel/ids.ts'
import { createLog } from '../kernel/log.ts'
import type { Bus } from '../live/bus.ts'
import { encodeCursor } from '../live/cursor.ts'
import { createFeed } from '../live/feed.ts'
import { createMemoryBus } from '../live/memory-bus.ts'
import { createMessageStore } from '../messages/index.ts'
import { createSource, deleteSource } from '../sources/index.ts'
import type { Listener, ListenerEvent } from './index.ts'
import { createListeners, type Listeners } from './listeners.ts'

const silent = createLog({ level: 'silent', isPretty: false })
const never = 3_600_000

let world: Configuration
beforeAll(async () => {
  world = await startConfiguration()
})
afterAll(() => world.close())

let viewer: Viewer
let sourceId: SourceId

beforeEach(async () => {
  const reach = await world.newProject()
  sourceId = doneValue(await createSource(world, reach, { name: 'orders' })).id
  const { apiKey } = doneValue(await createApiKey(world, reach, { name: 'k', scopes: ['listen'] }))
  viewer = { ...reach, keyId: apiKey.id, scopes: new Set(apiKey.scopes), expiresAt: null }
})

interface Process {
  readonly listeners: Listeners
  readonly metrics: Registry
}

/** A process of its own: what reaches another one goes over the bus, if it is the same, or the database. */
function startProcess(options: { bus?: Bus; renewMs?: number; sql?: Configuration['sql'] } = {}): Process {
  const { bus = createMemoryBus(), renewMs = never, sql = world.sql } = options
  const metrics = new Registry()
  const messages = createMessageStore(sql)
  const feed = createFeed({ reader: messages, bus, log: silent, metrics, pollMs: { healthy: 50, unhealthy: 50 } })
  const pace = { healthy: renewMs, unhealthy: renewMs }
  const listeners = createListeners({ ...world, sql, bus, feed, messages, log: silent, metrics, renewMs: pace })
  onTestFinished(async () => {
    await listeners.close()
    feed.close()
    await bus.close()
  })
  return { listeners, metrics }
}

async function create({ listeners }: Process, name = 'worker'): Promise<Listener> {
  return doneValue(await listeners.create(viewer, { sourceId, name }))
}

function stream({ listeners }: Process, listener: Listener) {
  const leaving = new AbortController()
  const events = listeners.stream({ listener, signal: leaving.signal })
  onTestFinished(async () => {
    leaving.abort()
    await events.return()
  })
  return {
    async next(): Promise<ListenerEvent> {
      const result = await events.next()
      if (result.done) throw new Error('ended')
      return result.value
    },
    async leave() {
      leaving.abort()
      await events.return()
    },
  }
}

async function leaseOf(of: ReturnType<typeof stream>): Promise<string> {
  const event = await of.next()
  if (event.kind !== 'leased') throw new Error(event.kind)
  return event.lease
}

async function stateOf({ listeners }: Process): Promise<string | undefined> {
  return (await listeners.byName(viewer, 'worker'))?.state
}

async function publish(count: number): Promise<void> {
  await world.sql.query(
    `with head as (
       update source_heads set last_sequence = last_sequence + $2 where source_id = $1 returning last_sequence, project_id
     )
     insert into messages (source_id, sequence, id, project_id, received_at, method, headers, remote_address, body)
     select $1, h.last_sequence - $2 + i, $3 || i, h.project_id, now(), 'POST', '[]', '', ''
       from head as h, generate_series(1, $2::int) as i`,
    [sourceId, count, newId('msg')],
  )
}

test('without any wake-up the older of two streams is told within one renewal', async () => {
  const [here, there] = [startProcess({ renewMs: 50 }), startProcess()]
  const listener = await create(here)
  const older = stream(here, listener)
  await leaseOf(older)
  expect(await older.next()).toMatchObject({ kind: 'caught-up' })
  await leaseOf(stream(there, listener))
  await expect(older.next()).rejects.toMatchObject({ code: 'LISTENER_TAKEN' })
})

test('with a bus the older of two streams is told at once, also when it waits for nothing', async () => {
  const bus = createMemoryBus()
  const [here, there] = [startProcess({ bus }), startProcess({ bus })]
  const listener = await create(here)
  const older = stream(here, listener)
  await leaseOf(older)
  await leaseOf(stream(there, listener))
  const held = async () => (await here.metrics.getSingleMetric('hookline_listeners_held')?.get())?.values[0]?.value
  await until(held, 0)
  await expect(older.next()).rejects.toMatchObject({ code: 'LISTENER_TAKEN' })
  expect(await stateOf(there)).toBe('live')
})

test('a listener counts as waiting when its process stopped renewing, and as live when that goes on', async () => {
  const process = startProcess()
  const listener = await create(process)
  await publish(2)
  const held = stream(process, listener)
  const lease = await leaseOf(held)
  const message = await held.next()
  const expire = `update listeners set lease_expires_at = now() - interval '1 s' where id = $1`
  // The renewal that each lease begins with may come in between.
  await until(async () => {
    await world.sql.query(expire, [listener.id])
    return await stateOf(process)
  }, 'waiting')
  world.epochs.changed()
  await until(() => stateOf(process), 'live')
  const acknowledging = { listenerId: listener.id, cursor: cursorOf(message), lease }
  expect(await process.listeners.acknowledge(viewer, acknowledging)).toMatchObject({ value: { lagCount: 1 } })
})

test('a lease is let go of when its reader leaves, and when the process stops', async () => {
  const process = startProcess()
  const listener = await create(process)
  const first = stream(process, listener)
  await leaseOf(first)
  expect(await stateOf(process)).toBe('live')
  await first.leave()
  await until(() => stateOf(process), 'waiting')
  await leaseOf(stream(process, listener))
  expect(await stateOf(process)).toBe('live')
  await process.listeners.close()
  expect(await stateOf(process)).toBe('waiting')
})

test('a lease that is let go of while it is renewed is not held on to', async () => {
  const process = startProcess()
  const listener = await create(process)
  for (let round = 0; round < 100; round += 1) {
    const held = stream(process, listener)
    await leaseOf(held)
    world.epochs.changed()
    await held.leave()
    await until(() => stateOf(process), 'waiting', { timeoutMs: 5_000, everyMs: 2 })
  }
})

test('a stream that nobody reads takes nothing from the one that is read', async () => {
  const process = startProcess()
  const listener = await create(process)
  await leaseOf(stream(process, listener))
  const unread = stream(process, listener)
  await unread.leave()
  expect(await stateOf(process)).toBe('live')
})

test('nothing past what its stream was sent can be acknowledged where it is sent; elsewhere nothing past the log', async () => {
  const [here, there] = [startProcess(), startProcess()]
  const listener = await create(here)
  await publish(3)
  const held = stream(here, listener)
  const lease = await leaseOf(held)
  const first = await held.next()
  const third = { ...first, sequence: 3 }
  const fourth = { ...first, sequence: 4 }
  const acknowledge = async ({ listeners }: Process, event: ListenerEvent) => {
    const outcome = await listeners.acknowledge(viewer, { listenerId: listener.id, cursor: cursorOf(event), lease })
    return outcome.kind === 'invalid' ? outcome.issues[0].code : outcome.kind
  }
  expect(await acknowledge(here, third)).toBe('OUT_OF_RANGE')
  expect(await acknowledge(there, fourth)).toBe('OUT_OF_RANGE')
  expect(await acknowledge(here, first)).toBe('done')
  await held.next()
  await held.next()
  expect(await acknowledge(here, third)).toBe('done')
  expect(await acknowledge(here, fourth)).toBe('OUT_OF_RANGE')
})

test('acknowledgements and streams that come at the same time leave one place, which only rises', async () => {
  const processes = [startProcess(), startProcess()]
  const [here] = processes as [Process]
  const listener = await create(here)
  await publish(40)
  /** The latest place whose acknowledgement is known to hold. */
  let place = 0
  async function readOne(process: Process): Promise<void> {
    const held = stream(process, listener)
    try {
      const before = place
      const leased = await held.next()
      expect(leased.sequence).toBeGreaterThanOrEqual(before)
      const event = await held.next()
      expect(event).toMatchObject({ kind: 'message', sequence: leased.sequence + 1 })
      const lease = leased.kind === 'leased' ? leased.lease : ''
      const acknowledging = { listenerId: listener.id, cursor: cursorOf(event), lease }
      const outcome = await process.listeners.acknowledge(viewer, acknowledging)
      if (outcome.kind === 'done') place = Math.max(place, event.sequence)
      else expect(outcome).toMatchObject({ code: 'LEASE_LOST' })
    } catch (error) {
      expect(error).toMatchObject({ code: 'LISTENER_TAKEN' })
    } finally {
      await held.leave()
    }
  }
  const reading = processes.map(async (process) => {
    for (let round = 0; round < 15; round += 1) await readOne(process)
  })
  await Promise.all(reading)
  expect((await here.listeners.byName(viewer, 'worker'))?.acknowledged.sequence).toBe(place)
  expect(place).toBeGreaterThan(0)
})

test('an acknowledgement that waited does not take back a later one, whatever was published meanwhile', async () => {
  const process = startProcess()
  const listener = await create(process)
  await publish(1)
  const acknowledge = (sequence: number) => {
    const place = { sourceId, logEpoch: listener.acknowledged.logEpoch, sequence }
    const cursor = encodeCursor({ projectId: viewer.projectId, ...place })
    return process.listeners.acknowledge(viewer, { listenerId: listener.id, cursor })
  }
  const waiting = async () => {
    const text = `select from pg_stat_activity where wait_event_type = 'Lock' and query like '%as verdict%'
                     and datname = current_database()`
    return (await world.sql.query(text)).length
  }
  let earlier: ReturnType<typeof acknowledge> | undefined
  await inTransaction(world.orm, async ({ sql }) => {
    await sql.query(`select l.id from listeners as l where l.id = $1 for update`, [listener.id])
    earlier = acknowledge(1)
    await until(waiting, 1)
    await publish(2)
    await sql.query(`update listeners set acknowledged_sequence = 3 where id = $1`, [listener.id])
  })
  expect(await earlier).toMatchObject({ kind: 'done', value: { acknowledged: { sequence: 3 } } })
  // Twice the same is no chance: this place was given by a log that is lost.
  await world.sql.query(`update listeners set acknowledged_sequence = 9 where id = $1`, [listener.id])
  expect(await acknowledge(2)).toMatchObject({ kind: 'done', value: { acknowledged: { sequence: 2 } } })
})

test('a stream goes on while its lease cannot be renewed, and is told afterwards that it was taken', async () => {
  let isAway = false
  const sql: Configuration['sql'] = {
    query: async (text, values, name) => {
      if (isAway) throw Object.assign(new Error('away'), { code: 'ECONNREFUSED' })
      return await world.sql.query(text, values, name)
    },
  }
  const [here, there] = [startProcess({ renewMs: 30, sql }), startProcess()]
  const listener = await create(here)
  const older = stream(here, listener)
  await leaseOf(older)
  expect(await older.next()).toMatchObject({ kind: 'caught-up' })
  isAway = true
  await leaseOf(stream(there, listener))
  isAway = false
  await expect(older.next()).rejects.toMatchObject({ code: 'LISTENER_TAKEN' })
})

test('a revoked key leaves its listeners disconnected, and their streams end', async () => {
  const process = startProcess()
  const listener = await create(process)
  const held = stream(process, listener)
  await leaseOf(held)
  expect(await held.next()).toMatchObject({ kind: 'caught-up' })
  doneValue(await revokeApiKey(world, viewer, { id: viewer.keyId }))
  await expect(held.next()).rejects.toMatchObject({ code: 'FORBIDDEN' })
  expect(await stateOf(process)).toBe('disconnected')
})

test('a deleted key or source takes its listeners along', async () => {
  const process = startProcess()
  await create(process)
  await world.sql.query(`delete from api_keys where id = $1`, [viewer.keyId])
  expect(await world.sql.query(`select from listeners where source_id = $1`, [sourceId])).toEqual([])
})

test('a source can be deleted while the leases of its listeners are renewed, and their streams end', async () => {
  const processes = [startProcess({ renewMs: 1 }), startProcess({ renewMs: 1 })]
  const streams = await Promise.all(
    Array.from({ length: 20 }, async (_, index) => {
      const process = processes[index % 2] as Process
      const held = stream(process, await create(process, `worker ${index}`))
      await leaseOf(held)
      expect(await held.next()).toMatchObject({ kind: 'caught-up' })
      return held
    }),
  )
  const renewing = setInterval(() => world.epochs.changed(), 1)
  onTestFinished(() => clearInterval(renewing))
  const ends = streams.map((held) => expect(held.next()).rejects.toMatchObject({ code: 'NOT_FOUND' }))
  expect(await deleteSource(world, viewer, { id: sourceId })).toMatchObject({ kind: 'done' })
  await Promise.all(ends)
})

function cursorOf({ sourceId, logEpoch, sequence }: ListenerEvent): string {
  return encodeCursor({ projectId: viewer.projectId, sourceId, logEpoch, sequence })
}
