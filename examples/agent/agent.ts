/**
 * Runs an agent, a LangGraph.js graph, that publishes what it does to Hookline: anybody can watch it live, and endpoints
 * are told of it, signed and with retries.
 *
 *   HOOKLINE_KEY=hk_… npx -- node examples/agent/agent.ts 'the words to count'
 *
 * The key needs the scope PUBLISH. HOOKLINE_URL is the gateway's address, http://localhost:8787 unless given, and
 * HOOKLINE_SOURCE the name of the source that keeps the events, `inbox` unless given.
 */
import { randomUUID } from 'node:crypto'
import { createAgent } from './graph.ts'
import { createPublisher, type Publish } from './publisher.ts'

const invocationId = randomUUID()
const publishEvent = createPublisher({
  baseUrl: process.env.HOOKLINE_URL ?? 'http://localhost:8787',
  key: process.env.HOOKLINE_KEY ?? '',
  source: process.env.HOOKLINE_SOURCE ?? 'inbox',
  invocationId,
})
const publish: Publish = async (type, data) => {
  const id = await publishEvent(type, data)
  print(`${id} ${type}`)
  return id
}

try {
  print(await invoke(process.argv.slice(2).join(' ')))
} catch (error) {
  print(String(error))
  process.exitCode = 1
}

/** One run from outside: it has begun, and then it has either succeeded or failed. */
async function invoke(text: string): Promise<string> {
  await publish('invocation_started')
  const startedMs = performance.now()
  const durationMs = () => Math.round(performance.now() - startedMs)
  const { answer } = await createAgent(publish)
    .invoke({ text })
    .catch(async (error: unknown) => {
      const message = error instanceof Error ? error.message : String(error)
      await publish('invocation_error', { error: message, duration_ms: durationMs() })
      throw error
    })
  await publish('invocation_success', { answer, duration_ms: durationMs() })
  return answer
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
