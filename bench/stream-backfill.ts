import type { CursorServerProtocol } from './floors/cursor-server.ts'
import type { PacedLoadProtocol } from './load/paced-load.ts'
import type { SubscriberReport, SubscribersProtocol, Talk } from './load/subscribers.ts'
import { type Bench, type BenchResult, type BenchSetup, row, verify } from './rig/bench.ts'
import { type Child, startChild } from './rig/child.ts'
import { startDatabaseServer } from './rig/database-server.ts'
import { fillSource } from './rig/fill-source.ts'
import { type Gateway, startGateway } from './rig/gateway.ts'
import { messageSubscription } from './rig/message-subscription.ts'
import { measureInRounds } from './rig/rounds.ts'
import { type OpenSource, openSource } from './rig/source.ts'
import { figureOf, ratioOf, rounded } from './rig/statistics.ts'

const livePerSecond = 50
const group = 'behind'
const withinMs = 300_000

/** How fast one who is far behind catches up, and what that does to one who is not. */
export const streamBackfill: Bench = {
  summary: 'messages a second to one subscriber from far behind, and latency of a live one beside it',
  async run(setup) {
    const parts = await start(setup)
    const liveCount = Math.round(livePerSecond * setup.seconds)
    setup.tell('warming up')
    await live(parts, liveCount)
    await catchUp(parts, Math.min(setup.messages, 20_000))
    const seen = await measureInRounds(
      setup.rounds,
      {
        cursorRead: () => readByCursor(parts, setup.messages),
        liveAlone: () => live(parts, liveCount),
        ours: () => catchUpBesideLive(parts, setup.messages, liveCount),
      },
      setup.tell,
    )
    return resultOf(seen, setup.messages)
  },
}

interface Parts {
  readonly gateway: Gateway
  readonly source: OpenSource
  readonly floor: Child<CursorServerProtocol>
  readonly load: Child<PacedLoadProtocol>
  readonly behind: Child<SubscribersProtocol>
  readonly live: Child<SubscribersProtocol>
}

async function start({ resources, profileDirectory, messages, tell }: BenchSetup): Promise<Parts> {
  const database = await startDatabaseServer(resources, { countsStatements: false })
  const databaseUrl = await database.createDatabase('gateway')
  const gateway = await startGateway(resources, { databaseUrl, profileDirectory })
  const source = await openSource(gateway, { name: 'long', githubSecret: null })
  tell(`storing ${messages} messages`)
  await fillSource(await database.openAsBench('gateway'), source.id, { messages, withClaims: false })
  const file = (path: string) => new URL(path, import.meta.url)
  const readers = () => startChild<SubscribersProtocol>(resources, { file: file('load/subscribers.ts'), settings: {} })
  const parts: Parts = {
    gateway,
    source,
    floor: await startChild<CursorServerProtocol>(resources, {
      file: file('floors/cursor-server.ts'),
      settings: { databaseUrl, sourceId: source.id },
    }),
    load: await startChild<PacedLoadProtocol>(resources, { file: file('load/paced-load.ts'), settings: {} }),
    behind: await readers(),
    live: await readers(),
  }
  await parts.live.ask({ kind: 'open', group: 'live', url: urlOf(gateway.port), count: 1, talk: talkOf(parts, null) })
  return parts
}

function urlOf(port: number): string {
  return `ws://127.0.0.1:${port}/graphql`
}

/** @param since null: with what comes from now on. */
function talkOf({ gateway, source }: Pick<Parts, 'gateway' | 'source'>, since: string | null): Talk {
  return {
    kind: 'graphql',
    token: gateway.token,
    query: messageSubscription,
    variables: { sourceIds: [source.id], since },
    isBehind: since !== null,
  }
}

interface Rate {
  readonly perSecond: number
}

async function readByCursor({ floor, behind }: Parts, messages: number): Promise<Rate> {
  await behind.ask({
    kind: 'open',
    group,
    url: `ws://127.0.0.1:${floor.ready.port}`,
    count: 1,
    talk: { kind: 'plain' },
  })
  const startedMs = performance.now()
  await floor.ask({ messages })
  return await allTaken(behind, messages, startedMs)
}

async function catchUp(parts: Parts, messages: number): Promise<Rate> {
  const { gateway, behind } = parts
  const startedMs = performance.now()
  const talk = talkOf(parts, new Date(0).toISOString())
  await behind.ask({ kind: 'open', group, url: urlOf(gateway.port), count: 1, talk })
  return await allTaken(behind, messages, startedMs)
}

/** @param startedMs when the first one was asked for. */
async function allTaken(behind: Child<SubscribersProtocol>, messages: number, startedMs: number): Promise<Rate> {
  const { frames, misplaced } = await behind.ask({ kind: 'report', group, frames: messages, withinMs })
  const elapsedMs = performance.now() - startedMs
  verify(frames >= messages, `${messages} messages to be seen, ${frames} seen`)
  verify(misplaced === 0, `each once and in order, ${misplaced} messages were not`)
  await behind.ask({ kind: 'close', group })
  return { perSecond: frames / (elapsedMs / 1000) }
}

async function live({ gateway, source, load, live: reader }: Parts, count: number): Promise<SubscriberReport> {
  await load.ask({ port: gateway.port, path: source.path, perSecond: livePerSecond, count })
  const report = await reader.ask({ kind: 'report', group: 'live', frames: count, withinMs })
  verify(report.frames === count, `live: ${count} frames to be seen, ${report.frames} seen`)
  verify(report.misplaced === 0, `live: each once and in order, ${report.misplaced} frames were not`)
  return report
}

async function catchUpBesideLive(parts: Parts, messages: number, liveCount: number) {
  const [rate, report] = await Promise.all([catchUp(parts, messages), live(parts, liveCount)])
  return { ...rate, latencyMs: report.latencyMs }
}

interface Seen {
  readonly cursorRead: readonly Rate[]
  readonly liveAlone: readonly Pick<SubscriberReport, 'latencyMs'>[]
  readonly ours: readonly (Rate & Pick<SubscriberReport, 'latencyMs'>)[]
}

function resultOf(seen: Seen, messages: number): BenchResult {
  const rates = (name: 'cursorRead' | 'ours') => seen[name].map(({ perSecond }) => perSecond)
  const latency = (name: 'liveAlone' | 'ours', part: 'p50' | 'p99') =>
    figureOf(seen[name].map(({ latencyMs }) => latencyMs[part]))
  const ratio = ratioOf(rates('ours'), rates('cursorRead'))
  const times = (name: 'liveAlone' | 'ours') => ({
    p50: rounded(latency(name, 'p50').median),
    p99: rounded(latency(name, 'p99').median),
  })
  return {
    json: {
      ours_per_s: rounded(figureOf(rates('ours')).median),
      floors: { cursor_read_per_s: rounded(figureOf(rates('cursorRead')).median) },
      ratio: rounded(ratio.median),
      spread: [rounded(ratio.min), rounded(ratio.max)],
      live_latency_ms: { alone: times('liveAlone'), beside: times('ours') },
      messages,
      rounds: seen.ours.length,
    },
    rows: [
      row('floor: cursor read and ws', figureOf(rates('cursorRead')), 'messages/s'),
      row('ours', figureOf(rates('ours')), 'messages/s'),
      row('ours / floor', ratio, ''),
      ...(['p50', 'p99'] as const).flatMap((part) => [
        row(`live subscriber alone: ${part}`, latency('liveAlone', part), 'ms'),
        row(`live subscriber beside: ${part}`, latency('ours', part), 'ms'),
      ]),
    ],
    notes: [
      `${messages} messages of 1 kB behind; the live one reads ${livePerSecond} messages a second of the same source.`,
      'Verified: both got every message once, by sequence.',
    ],
  }
}
