import type { BroadcastServerProtocol } from './floors/broadcast-server.ts'
import type { CommitEchoServerProtocol } from './floors/commit-echo-server.ts'
import type { PacedLoadProtocol } from './load/paced-load.ts'
import type { SubscriberReport, SubscribersProtocol } from './load/subscribers.ts'
import { type Bench, type BenchSetup, verify } from './rig/bench.ts'
import { type Child, startChild } from './rig/child.ts'
import { startDatabaseServer } from './rig/database-server.ts'
import { type Gateway, startGateway } from './rig/gateway.ts'
import { messageSubscription } from './rig/message-subscription.ts'
import { processCpuMicros } from './rig/process-cpu.ts'
import { measureInRounds } from './rig/rounds.ts'
import { type OpenSource, openSource } from './rig/source.ts'
import { streamResult } from './stream-result.ts'

const crowd = 500
/** 15,000 frames a second: enough to drown out the gateway's idle work, little enough for one process to read. */
const crowdPerSecond = 30
/** With one subscriber, since 200 a second to 500 sockets would saturate the machine and measure the queue. */
const latencyPerSecond = 200
const framesWithinMs = 20_000

/** What a frame costs the server, and how long a request takes to become one. */
export const stream: Bench = {
  summary: `server CPU per frame to ${crowd} subscribers, and time from request to frame at ${latencyPerSecond}/s`,
  async run(setup) {
    const parts = await start(setup)
    setup.tell('opening sockets and warming up')
    await openSockets(parts)
    const frame = await warmUp(parts)
    const crowdCount = Math.round(crowdPerSecond * setup.seconds)
    const latencyCount = Math.round(latencyPerSecond * setup.seconds)
    const seen = await measureInRounds(
      setup.rounds,
      {
        broadcast: () => broadcast(parts, frame, crowdCount),
        oursToCrowd: () => sendToCrowd(parts, crowdCount),
        takeIn: () => takeIn(parts, crowdCount),
        commitAndEcho: () => commitAndEcho(parts, latencyCount),
        oursToOne: () => sendToOne(parts, latencyCount),
      },
      setup.tell,
    )
    return streamResult(seen, { subscribers: crowd, crowdPerSecond, latencyPerSecond, frame })
  },
}

interface Parts {
  readonly gateway: Gateway
  readonly crowdSource: OpenSource
  readonly oneSource: OpenSource
  /** Nobody listens to it. */
  readonly silentSource: OpenSource
  readonly broadcaster: Child<BroadcastServerProtocol>
  readonly echo: Child<CommitEchoServerProtocol>
  readonly load: Child<PacedLoadProtocol>
  readonly subscribers: Child<SubscribersProtocol>
}

async function start({ resources, profileDirectory }: BenchSetup): Promise<Parts> {
  const database = await startDatabaseServer(resources, { countsStatements: false })
  const [floorUrl, gatewayUrl] = [await database.createDatabase('floor'), await database.createDatabase('gateway')]
  const gateway = await startGateway(resources, { databaseUrl: gatewayUrl, profileDirectory })
  const file = (path: string) => new URL(path, import.meta.url)
  return {
    gateway,
    crowdSource: await openSource(gateway, { name: 'crowd', githubSecret: null }),
    oneSource: await openSource(gateway, { name: 'one', githubSecret: null }),
    silentSource: await openSource(gateway, { name: 'silent', githubSecret: null }),
    broadcaster: await startChild(resources, { file: file('floors/broadcast-server.ts'), settings: {} }),
    echo: await startChild(resources, {
      file: file('floors/commit-echo-server.ts'),
      settings: { databaseUrl: floorUrl },
    }),
    load: await startChild(resources, { file: file('load/paced-load.ts'), settings: {} }),
    subscribers: await startChild(resources, { file: file('load/subscribers.ts'), settings: {} }),
  }
}

async function openSockets({ gateway, crowdSource, oneSource, broadcaster, echo, subscribers }: Parts): Promise<void> {
  const gatewayUrl = `ws://127.0.0.1:${gateway.port}/graphql`
  const talk = (source: OpenSource) =>
    ({
      kind: 'graphql',
      token: gateway.token,
      query: messageSubscription,
      variables: { sourceIds: [source.id] },
    }) as const
  const plain = { kind: 'plain' } as const
  const groups = [
    { group: 'oursToCrowd', url: gatewayUrl, count: crowd, talk: talk(crowdSource) },
    { group: 'oursToOne', url: gatewayUrl, count: 1, talk: talk(oneSource) },
    { group: 'broadcast', url: `ws://127.0.0.1:${broadcaster.ready.port}`, count: crowd, talk: plain },
    { group: 'commitAndEcho', url: `ws://127.0.0.1:${echo.ready.port}`, count: 1, talk: plain },
  ]
  for (const group of groups) {
    await subscribers.ask({ kind: 'open', ...group })
  }
}

/** @returns a frame of the gateway, for the floor to send. */
async function warmUp(parts: Parts): Promise<string> {
  const { report } = await sendToCrowd(parts, crowdPerSecond)
  await broadcast(parts, report.lastFrame, crowdPerSecond)
  await commitAndEcho(parts, latencyPerSecond)
  await sendToOne(parts, latencyPerSecond)
  return report.lastFrame
}

async function broadcast({ broadcaster, subscribers }: Parts, frame: string, count: number) {
  return await withCpu(broadcaster.pid, async () => {
    await broadcaster.ask({ frame, perSecond: crowdPerSecond, count })
    return await allFrames(subscribers, { group: 'broadcast', frames: count, sockets: crowd })
  })
}

async function sendToCrowd({ gateway, crowdSource, load, subscribers }: Parts, count: number) {
  const before = await crowdSource.lastSequence()
  const seen = await withCpu(gateway.pid, async () => {
    await load.ask({ port: gateway.port, path: crowdSource.path, perSecond: crowdPerSecond, count })
    return await allFrames(subscribers, { group: 'oursToCrowd', frames: count, sockets: crowd })
  })
  const stored = (await crowdSource.lastSequence()) - before
  verify(stored === count, `${count} acknowledged, ${stored} stored`)
  return seen
}

/** The same messages to nobody, with what they cost per frame of the crowd. */
async function takeIn({ gateway, silentSource, load }: Parts, count: number) {
  const before = processCpuMicros(gateway.pid)
  await load.ask({ port: gateway.port, path: silentSource.path, perSecond: crowdPerSecond, count })
  return { cpuPerFrame: (processCpuMicros(gateway.pid) - before) / (count * crowd) }
}

async function commitAndEcho({ echo, load, subscribers }: Parts, count: number) {
  await load.ask({ port: echo.ready.port, path: '/', perSecond: latencyPerSecond, count })
  return await allFrames(subscribers, { group: 'commitAndEcho', frames: count, sockets: 1 })
}

async function sendToOne({ gateway, oneSource, load, subscribers }: Parts, count: number) {
  await load.ask({ port: gateway.port, path: oneSource.path, perSecond: latencyPerSecond, count })
  return await allFrames(subscribers, { group: 'oursToOne', frames: count, sockets: 1 })
}

async function allFrames(
  subscribers: Child<SubscribersProtocol>,
  { group, frames, sockets }: { group: string; frames: number; sockets: number },
): Promise<SubscriberReport> {
  const report = await subscribers.ask({ kind: 'report', group, frames, withinMs: framesWithinMs })
  const wanted = frames * sockets
  verify(report.frames === wanted, `${group}: ${wanted} frames to be seen, ${report.frames} seen`)
  verify(report.misplaced === 0, `${group}: each once and in order, ${report.misplaced} frames were not`)
  return report
}

async function withCpu(pid: number, work: () => Promise<SubscriberReport>) {
  const before = processCpuMicros(pid)
  const report = await work()
  return { report, cpuPerFrame: (processCpuMicros(pid) - before) / report.frames }
}
