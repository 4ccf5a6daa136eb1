import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { findFreePort } from '../../src/http/index.ts'
import { slotCount, slotOf } from '../../src/redis/slot.ts'
import { redisServer, type TestRedis } from './redis.ts'
import { until } from './until.ts'

/** A Redis Cluster of the test's own on free ports of 127.0.0.1: three primaries, and a replica of the first. */
export interface TestCluster {
  /** As REDIS_URL: all primaries. */
  readonly url: string
  readonly primaries: readonly ClusterNode[]
  readonly replica: ClusterNode
  /** The primary that has the slot of a channel or key, by the slots at the start. */
  primaryOf(name: string): ClusterNode
  /** Waits until it serves keys; it needs two seconds after a start. Channels work before. */
  untilServing(): Promise<void>
  /** Gives the slot of a channel or key without data to another primary. */
  moveSlot(name: string, to: ClusterNode): Promise<void>
  stop(): Promise<void>
}

export interface ClusterNode extends Omit<TestRedis, 'stop'> {
  readonly id: string
  /** Runs one command. */
  call(command: string, ...args: (string | number)[]): Promise<unknown>
}

interface Place {
  readonly id: string
  readonly port: number
  readonly busPort: number
  readonly folder: string
  /** What the nodes' file says of it. */
  readonly role: string
  readonly slots: string
  /** Each primary's own; a replica has that of its primary. */
  readonly epoch: number
}

export async function startTestCluster(): Promise<TestCluster> {
  const folder = await mkdtemp(join(tmpdir(), 'hookline-redis-cluster-'))
  const places = await placesIn(folder)
  const nodes = await Promise.all(places.map((place) => startNode(place, places)))
  const primaries = nodes.slice(0, primaryCount)
  const [replica] = nodes.slice(primaryCount)
  if (replica === undefined) throw new RangeError('a cluster needs a replica')
  const primaryOf = (name: string) => {
    const owner = primaries[Math.floor((slotOf(name) * primaryCount) / slotCount)]
    if (owner === undefined) throw new RangeError(`no primary has the slot of ${name}`)
    return owner
  }
  return {
    url: primaries.map(({ url }) => url).join(','),
    primaries,
    replica,
    primaryOf,
    async untilServing() {
      const isServing = async (node: ClusterNode) => String(await node.call('cluster', 'info')).includes('state:ok')
      for (const node of nodes) await until(() => isServing(node), true)
    },
    async moveSlot(name, to) {
      const slot = slotOf(name)
      const from = primaryOf(name)
      await to.call('cluster', 'setslot', slot, 'importing', from.id)
      await from.call('cluster', 'setslot', slot, 'migrating', to.id)
      for (const node of [to, from]) await node.call('cluster', 'setslot', slot, 'node', to.id)
    },
    async stop() {
      for (const node of nodes) await node.kill()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const primaryCount = 3

async function placesIn(folder: string): Promise<Place[]> {
  const places: Place[] = []
  for (let number = 0; number <= primaryCount; number += 1) {
    const isReplica = number === primaryCount
    const first = Math.ceil((number * slotCount) / primaryCount)
    const last = Math.ceil(((number + 1) * slotCount) / primaryCount) - 1
    places.push({
      id: randomBytes(20).toString('hex'),
      port: await findFreePort('127.0.0.1'),
      busPort: await findFreePort('127.0.0.1'),
      folder: join(folder, String(number)),
      role: isReplica ? `slave ${places[0]?.id}` : 'master -',
      slots: isReplica ? '' : `${first}-${last}`,
      epoch: isReplica ? 1 : number + 1,
    })
  }
  return places
}

/** The nodes know each other from the start, which saves the time that meeting takes. */
async function startNode(place: Place, places: readonly Place[]): Promise<ClusterNode> {
  const { id, port, busPort, folder } = place
  await mkdir(folder)
  const lines = places.map((each) => {
    const flags = each === place ? `myself,${each.role}` : each.role
    return `${each.id} 127.0.0.1:${each.port}@${each.busPort} ${flags} 0 0 ${each.epoch} connected ${each.slots}`.trim()
  })
  const nodes = [...lines, `vars currentEpoch ${primaryCount} lastVoteEpoch 0`, '']
  await writeFile(join(folder, 'nodes.conf'), nodes.join('\n'))
  const server = redisServer(
    [
      ...['--port', port, '--cluster-port', busPort, '--dir', folder],
      ...['--cluster-enabled', 'yes', '--cluster-node-timeout', 1_000],
      // A replica that has never been up to date does not take over.
      ...['--repl-diskless-sync-delay', 0],
    ].map(String),
  )
  await server.start()
  return {
    ...server,
    id,
    url: `redis://127.0.0.1:${port}`,
    async call(command, ...args) {
      const redis = new Redis(port, '127.0.0.1', { retryStrategy: () => null })
      try {
        return await redis.call(command, ...args)
      } finally {
        redis.disconnect()
      }
    },
  }
}
