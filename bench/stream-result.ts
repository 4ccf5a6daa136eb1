import type { SubscriberReport } from './load/subscribers.ts'
import { type BenchResult, row } from './rig/bench.ts'
import { figureOf, ratioOf, rounded } from './rig/statistics.ts'

export interface StreamSeen {
  readonly broadcast: readonly { readonly cpuPerFrame: number }[]
  readonly oursToCrowd: readonly { readonly cpuPerFrame: number }[]
  readonly takeIn: readonly { readonly cpuPerFrame: number }[]
  readonly commitAndEcho: readonly SubscriberReport[]
  readonly oursToOne: readonly SubscriberReport[]
}

export interface StreamShape {
  readonly subscribers: number
  readonly crowdPerSecond: number
  readonly latencyPerSecond: number
  readonly frame: string
}

const wantedLatency = { p50: 2, p99: 4 }

/** Medians, ratios and rows of what the rounds of `stream` saw. */
export function streamResult(seen: StreamSeen, shape: StreamShape): BenchResult {
  const cpu = (name: 'broadcast' | 'oursToCrowd' | 'takeIn') => seen[name].map(({ cpuPerFrame }) => cpuPerFrame)
  const latency = (name: 'commitAndEcho' | 'oursToOne', part: 'p50' | 'p99') =>
    seen[name].map(({ latencyMs }) => latencyMs[part])
  const cpuRatio = ratioOf(cpu('oursToCrowd'), cpu('broadcast'))
  const sending = cpu('oursToCrowd').map((whole, round) => whole - (cpu('takeIn')[round] ?? Number.NaN))
  const sendingRatio = ratioOf(sending, cpu('broadcast'))
  const ratio = (part: 'p50' | 'p99') => ratioOf(latency('oursToOne', part), latency('commitAndEcho', part))
  const median = (values: number[]) => rounded(figureOf(values).median)
  const times = (name: 'commitAndEcho' | 'oursToOne') => ({
    p50: median(latency(name, 'p50')),
    p99: median(latency(name, 'p99')),
  })
  return {
    json: {
      ours_cpu_us_per_frame: median(cpu('oursToCrowd')),
      taking_in_cpu_us_per_frame: median(cpu('takeIn')),
      ours_latency_ms: times('oursToOne'),
      floors: { broadcast_cpu_us_per_frame: median(cpu('broadcast')), commit_echo_ms: times('commitAndEcho') },
      ratios: {
        cpu: rounded(cpuRatio.median),
        cpu_without_taking_in: rounded(sendingRatio.median),
        p50: rounded(ratio('p50').median),
        p99: rounded(ratio('p99').median),
      },
      spread: { cpu: [rounded(cpuRatio.min), rounded(cpuRatio.max)] },
      subscribers: shape.subscribers,
      frame_bytes: shape.frame.length,
      rounds: seen.oursToCrowd.length,
    },
    rows: [
      row('floor: broadcast of one frame', figureOf(cpu('broadcast')), 'µs CPU a frame'),
      row('ours', figureOf(cpu('oursToCrowd')), 'µs CPU a frame'),
      row('of that, taking in the messages', figureOf(cpu('takeIn')), 'µs CPU a frame'),
      { ...row('ours / floor', cpuRatio, ''), wanted: { atMost: 1.5 } },
      row('ours without taking in / floor', sendingRatio, ''),
      ...(['p50', 'p99'] as const).flatMap((part) => [
        row(`floor, commit and echo: ${part}`, figureOf(latency('commitAndEcho', part)), 'ms'),
        row(`ours, request to frame: ${part}`, figureOf(latency('oursToOne', part)), 'ms'),
        { ...row(`ours / floor: ${part}`, ratio(part), ''), wanted: { atMost: wantedLatency[part] } },
      ]),
    ],
    notes: [
      `${shape.subscribers} subscribers of one document, ${shape.crowdPerSecond} messages a second, ${shape.frame.length} bytes a frame.`,
      `Times at ${shape.latencyPerSecond} messages a second with one subscriber.`,
      'Verified: every subscriber got every message once, by sequence.',
    ],
  }
}
