import type { HttpLoadProtocol } from './load/http-load.ts'
import type { SubscribersProtocol } from './load/subscribers.ts'
import { type Bench, type BenchResult, type BenchSetup, row, verify } from './rig/bench.ts'
import { type Child, startChild } from './rig/child.ts'
import { startDatabaseServer } from './rig/database-server.ts'
import { type Gateway, startGateway } from './rig/gateway.ts'
import { messageSubscription } from './rig/message-subscription.ts'
import { measureInRounds } from './rig/rounds.ts'
import { type OpenSource, openSource } from './rig/source.ts'
import { figureOf, ratioOf, rounded } from './rig/statistics.ts'

const subscribers = 50
/** Requests in flight: as many as keep the gateway busy, so that what the stalled ones cost is missing elsewhere. */
const connections = 8
const bodyBytes = 1_024
/** More than the buffers of a socket and its peer hold, so that whoever reads nothing stands still. */
const fill = { messages: 10, bodyBytes: 1_000_000 }
const framesWithinMs = 20_000

/** Whether subscribers who read nothing slow down those who do. */
export const streamStalled: Bench = {
  summary: `the rate of ${subscribers} subscribers beside ${subscribers} who read nothing`,
  async run(setup) {
    const parts = await start(setup)
    setup.tell('warming up')
    await send(parts, 'alone', setup.seconds)
    const seen = await measureInRounds(
      setup.rounds,
      {
        alone: () => send(parts, 'alone', setup.seconds),
        besideStalled: () => sendBesideStalled(parts, setup.seconds),
      },
      setup.tell,
    )
    return resultOf(seen)
  },
}

type Name = 'alone' | 'besideStalled'

interface Parts {
  readonly gateway: Gateway
  readonly sources: Readonly<Record<Name, OpenSource>>
  readonly load: Child<HttpLoadProtocol>
  readonly live: Child<SubscribersProtocol>
  readonly stalled: Child<SubscribersProtocol>
}

async function start({ resources, profileDirectory }: BenchSetup): Promise<Parts> {
  const database = await startDatabaseServer(resources, { countsStatements: false })
  const gateway = await startGateway(resources, {
    databaseUrl: await database.createDatabase('gateway'),
    profileDirectory,
  })
  const readers = () =>
    startChild<SubscribersProtocol>(resources, { file: new URL('load/subscribers.ts', import.meta.url), settings: {} })
  const parts: Parts = {
    gateway,
    sources: {
      alone: await openSource(gateway, { name: 'alone', githubSecret: null }),
      besideStalled: await openSource(gateway, { name: 'beside-stalled', githubSecret: null }),
    },
    load: await startChild<HttpLoadProtocol>(resources, {
      file: new URL('load/http-load.ts', import.meta.url),
      settings: {},
    }),
    live: await readers(),
    stalled: await readers(),
  }
  for (const name of ['alone', 'besideStalled'] as const) await subscribe(parts, parts.live, name)
  return parts
}

async function subscribe({ gateway, sources }: Parts, to: Child<SubscribersProtocol>, name: Name): Promise<void> {
  await to.ask({
    kind: 'open',
    group: name,
    url: `ws://127.0.0.1:${gateway.port}/graphql`,
    count: subscribers,
    talk: {
      kind: 'graphql',
      token: gateway.token,
      query: messageSubscription,
      variables: { sourceIds: [sources[name].id] },
    },
  })
}

interface Seen {
  readonly framesPerSecond: number
}

/** From the first request to the last frame. */
async function send({ gateway, sources, load, live }: Parts, name: Name, seconds: number): Promise<Seen> {
  const startedMs = performance.now()
  const { acknowledged } = await load.ask({ ...requestOf(gateway, sources[name], bodyBytes), count: null, seconds })
  const report = await live.ask({ kind: 'report', group: name, frames: acknowledged, withinMs: framesWithinMs })
  const elapsedMs = performance.now() - startedMs
  const wanted = acknowledged * subscribers
  verify(report.frames === wanted, `${name}: ${wanted} frames to be seen, ${report.frames} seen`)
  verify(report.misplaced === 0, `${name}: each once and in order, ${report.misplaced} frames were not`)
  return { framesPerSecond: report.frames / (elapsedMs / 1000) }
}

async function sendBesideStalled(parts: Parts, seconds: number): Promise<Seen> {
  const { gateway, sources, load, live, stalled } = parts
  const group = 'besideStalled'
  await subscribe(parts, stalled, group)
  await stalled.ask({ kind: 'stall', group })
  await load.ask({
    ...requestOf(gateway, sources[group], fill.bodyBytes),
    connections: 1,
    count: fill.messages,
    seconds: framesWithinMs / 1000,
  })
  await live.ask({ kind: 'report', group, frames: fill.messages, withinMs: framesWithinMs })
  const seen = await send(parts, group, seconds)
  // One that reads nothing is told nothing; the sockets are all there still, or they would have said so.
  const { frames } = await stalled.ask({ kind: 'close', group })
  verify(frames === 0, `stalled subscribers read nothing, ${frames} frames were read`)
  return seen
}

function requestOf(gateway: Gateway, source: OpenSource, bytes: number) {
  return {
    port: gateway.port,
    connections,
    paths: [source.path],
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ padding: 'x'.repeat(bytes - '{"padding":""}'.length) }),
    uniqueHeader: null,
  }
}

function resultOf(seen: Record<Name, Seen[]>): BenchResult {
  const rates = (name: Name) => seen[name].map(({ framesPerSecond }) => framesPerSecond)
  const ratio = ratioOf(rates('besideStalled'), rates('alone'))
  return {
    json: {
      alone_frames_per_s: rounded(figureOf(rates('alone')).median),
      beside_stalled_frames_per_s: rounded(figureOf(rates('besideStalled')).median),
      ratio: rounded(ratio.median),
      spread: [rounded(ratio.min), rounded(ratio.max)],
      subscribers,
      stalled: subscribers,
      rounds: seen.alone.length,
    },
    rows: [
      row('live subscribers alone', figureOf(rates('alone')), 'frames/s'),
      row(`beside ${subscribers} stalled ones`, figureOf(rates('besideStalled')), 'frames/s'),
      { ...row('beside / alone', ratio, ''), wanted: { atLeast: 0.9 } },
    ],
    notes: [
      `${subscribers} live subscribers, ${connections} requests in flight, ${bodyBytes} bytes a message.`,
      'Verified: every live subscriber got every message once, by sequence; no stalled one read any.',
    ],
  }
}
