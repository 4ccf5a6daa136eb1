import { mkdirSync } from 'node:fs'
import { availableParallelism, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { deliver } from './deliver.ts'
import { deliverHung } from './deliver-hung.ts'
import { ingest } from './ingest.ts'
import { ingestGrowth } from './ingest-growth.ts'
import type { Bench, BenchResult } from './rig/bench.ts'
import { Resources } from './rig/resources.ts'
import { rounded } from './rig/statistics.ts'
import { tableOf } from './rig/table.ts'
import { stats } from './stats.ts'
import { stream } from './stream.ts'
import { streamBackfill } from './stream-backfill.ts'
import { streamIdle } from './stream-idle.ts'
import { streamStalled } from './stream-stalled.ts'

const benches: Readonly<Record<string, Bench>> = {
  ingest,
  'ingest-growth': ingestGrowth,
  stream,
  'stream-idle': streamIdle,
  'stream-stalled': streamStalled,
  'stream-backfill': streamBackfill,
  deliver,
  'deliver-hung': deliverHung,
  stats,
}

const help = `Measures the gateway beside floors: the least that any program doing this work must pay.

npm run -s bench -- <name> [options]

${Object.entries(benches)
  .map(([name, { summary }]) => `  ${name.padEnd(17)}${summary}`)
  .join('\n')}

  --rounds N      turns of each target; default 5
  --seconds N     length of one measurement; default 3 (0.5 to 60)
  --messages N    how far behind the subscriber of stream-backfill is; default 200000 (1000 to 10000000)
  --json          one line of JSON on standard output, medians over the rounds
  --profile DIR   writes a CPU profile of the gateway there
  --help          this text

Everything is on the loopback and in a temporary directory, and is stopped and removed at the end. See bench/README.md.`

/** Runnable processes of others, over the last minute, beyond which figures suffer. */
const busyLoad = availableParallelism() / 4

process.exitCode = await main()

/** @returns the exit code: 0 measured, 1 failed or something acknowledged was lost, 2 not understood, 130 interrupted. */
async function main(): Promise<number> {
  const options = readOptions()
  const bench = benches[options?.name ?? '']
  if (options === null || bench === undefined) {
    console.log(help)
    return options?.help === true ? 0 : 2
  }
  const resources = new Resources()
  let isInterrupted = false
  const interrupt = () => {
    isInterrupted = true
    void resources.stopAll()
  }
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt)
  try {
    const tell = (text: string) => console.error(text)
    const [loadBefore = 0] = loadavg()
    if (loadBefore > busyLoad) {
      tell(`The machine is busy (load average ${loadBefore.toFixed(1)}): ratios will vary more than they should.`)
    }
    const result = await bench.run({ resources, tell, ...options })
    print(options, { ...result, json: { ...result.json, load_average_before: rounded(loadBefore) } })
    return 0
  } catch (error) {
    if (!isInterrupted) {
      console.error(error)
    }
    return isInterrupted ? 130 : 1
  } finally {
    await resources.stopAll()
  }
}

interface Options {
  readonly name: string
  readonly rounds: number
  readonly seconds: number
  readonly messages: number
  readonly isJson: boolean
  readonly help: boolean
  readonly profileDirectory: string | null
}

function readOptions(): Options | null {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '3' },
      messages: { type: 'string', default: '200000' },
      json: { type: 'boolean', default: false },
      profile: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  const [rounds, seconds, messages] = [Number(values.rounds), Number(values.seconds), Number(values.messages)]
  if (!(Number.isInteger(messages) && messages >= 1_000 && messages <= 10_000_000)) {
    return null
  }
  if (!(Number.isInteger(rounds) && rounds >= 1 && rounds <= 100 && seconds >= 0.5 && seconds <= 60)) {
    return null
  }
  if (values.profile !== undefined) {
    mkdirSync(values.profile, { recursive: true })
  }
  return {
    name: values.help ? '' : (positionals[0] ?? ''),
    rounds,
    seconds,
    messages,
    isJson: values.json,
    help: values.help,
    profileDirectory: values.profile ?? null,
  }
}

function print({ name, isJson }: Options, result: BenchResult): void {
  console.log(isJson ? JSON.stringify({ bench: name, ...result.json }) : tableOf(result))
}
