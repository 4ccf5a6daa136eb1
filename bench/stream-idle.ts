import type { BroadcastServerProtocol } from './floors/broadcast-server.ts'
import type { PacedLoadProtocol } from './load/paced-load.ts'
import type { SubscribersProtocol, Talk } from './load/subscribers.ts'
import { type Bench, row } from './rig/bench.ts'
import { type Child, startChild } from './rig/child.ts'
import { startDatabaseServer } from './rig/database-server.ts'
import { startGateway } from './rig/gateway.ts'
import { messageSubscription } from './rig/message-subscription.ts'
import { residentKilobytes } from './rig/process-memory.ts'
import { openSource } from './rig/source.ts'
import { figureOf, rounded } from './rig/statistics.ts'

const subscribers = 5_000
/** Opened before, so that what a process needs for the first ones is not counted. */
const warmUpSubscribers = 500
/** Messages of another source before memory is read, so that what the opening left behind is collected. */
const breath = { perSecond: 200, count: 2_000 }
const wantedKilobytes = 20

/** What a subscriber takes who waits for messages. Measured once: memory that was used does not come back for a second turn. */
export const streamIdle: Bench = {
  summary: `memory per idle subscriber, ${subscribers} of them, above a bare WebSocket connection`,
  async run({ resources, tell, profileDirectory }) {
    const database = await startDatabaseServer(resources, { countsStatements: false })
    const databaseUrl = await database.createDatabase('gateway')
    const gateway = await startGateway(resources, { databaseUrl, profileDirectory })
    const source = await openSource(gateway, { name: 'idle', githubSecret: null })
    const other = await openSource(gateway, { name: 'other', githubSecret: null })
    const file = (path: string) => new URL(path, import.meta.url)
    const floor: Child<BroadcastServerProtocol> = await startChild(resources, {
      file: file('floors/broadcast-server.ts'),
      settings: {},
    })
    const load: Child<SubscribersProtocol> = await startChild(resources, {
      file: file('load/subscribers.ts'),
      settings: {},
    })
    const traffic: Child<PacedLoadProtocol> = await startChild(resources, {
      file: file('load/paced-load.ts'),
      settings: {},
    })
    async function kilobytesEach(pid: number, url: string, talk: Talk): Promise<number> {
      await load.ask({ kind: 'open', group: url, url, count: warmUpSubscribers, talk })
      await traffic.ask({ port: gateway.port, path: other.path, ...breath })
      const before = residentKilobytes(pid)
      await load.ask({ kind: 'open', group: url, url, count: subscribers, talk })
      await traffic.ask({ port: gateway.port, path: other.path, ...breath })
      return (residentKilobytes(pid) - before) / subscribers
    }
    tell(`opening ${subscribers} bare connections`)
    const bare = await kilobytesEach(floor.pid, `ws://127.0.0.1:${floor.ready.port}`, { kind: 'plain' })
    tell(`opening ${subscribers} subscriptions`)
    const ours = await kilobytesEach(gateway.pid, `ws://127.0.0.1:${gateway.port}/graphql`, {
      kind: 'graphql',
      token: gateway.token,
      query: messageSubscription,
      variables: { sourceIds: [source.id] },
    })
    return {
      json: { ours_kb: rounded(ours), floors: { bare_kb: rounded(bare) }, above_kb: rounded(ours - bare), subscribers },
      rows: [
        row('floor: bare connection', figureOf([bare]), 'kB'),
        row('ours', figureOf([ours]), 'kB'),
        {
          what: 'ours - floor',
          figure: figureOf([ours - bare]),
          unit: 'kB',
          wanted: { atMost: wantedKilobytes },
        },
      ],
      notes: [
        `Resident memory of the server process per connection, ${subscribers} of them; a socket and a subscription each.`,
      ],
    }
  },
}
