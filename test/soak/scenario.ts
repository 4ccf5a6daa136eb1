import { Webhook } from 'standardwebhooks'
import { expect } from 'vitest'
import { findFreePort } from '../../src/http/index.ts'
import { generateMasterKey } from '../../src/secrets/index.ts'
import { generateSecret } from '../../src/signatures/standard-webhooks.ts'
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts'
import { createEndpoint, createSource } from '../support/graphql-client.ts'
import { judge, nothingWrong } from '../support/history.ts'
import { type Load, startLoad } from '../support/load.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { readStream, type StreamReader } from '../support/stream.ts'
import { until } from '../support/until.ts'

/**
 * A gateway under load whose processes are killed: a sender, a subscriber that resumes and a receiver that verifies
 * stay on for the whole scenario, so that its whole history can be judged at the end.
 */
export interface Scenario {
  readonly load: Load
  readonly reader: StreamReader
  /** Ends process `place` at once and starts it again on the same data and port. */
  killAndRestart(place: number): Promise<void>
  /** Waits until so many more messages were acknowledged. */
  untilAcknowledgedMore(count: number): Promise<void>
  /** Stops the load, waits until all has come through, and expects that nothing went wrong. */
  finish(): Promise<void>
}

export interface ScenarioOptions {
  /** The environment of each process. The first one takes the messages and answers the queries. */
  readonly processes: readonly Record<string, string>[]
  /** How long the receiver takes to answer, in milliseconds. */
  readonly receiverMs?: number
}

export async function startScenario(options: ScenarioOptions): Promise<Scenario & AsyncDisposable> {
  await using opened = new AsyncDisposableStack()
  const environments = await environmentsOf(options.processes)
  const gateways: GatewayProcess[] = []
  opened.defer(async () => {
    for (const gateway of gateways) await gateway.stop('SIGKILL')
  })
  for (const environment of environments) gateways.push(await startGatewayProcess(environment))
  const [first] = gateways
  if (first === undefined) throw new RangeError('a scenario needs a process')
  const { baseUrl } = first
  const token = first.adminToken()
  const secret = generateSecret()
  const verifier = new Webhook(secret)
  const receiver = await startReceiver(async ({ body, headers }) => {
    // What does not verify throws, is answered with 500 and so counts as never delivered.
    verifier.verify(body, headers as Record<string, string>)
    await new Promise((resolve) => setTimeout(resolve, options.receiverMs ?? 0))
    return 204
  })
  opened.defer(() => receiver.close())
  const source = await createSource(baseUrl, token, { name: 'soak' })
  await createEndpoint(baseUrl, token, { url: receiver.url, sourceIds: [source.id], secret })
  const reader = readStream({ baseUrl, token, sourceId: source.id })
  opened.defer(() => reader.close())
  await until(() => reader.events[0]?.__typename, 'CaughtUp')

  const load = startLoad(() => `${baseUrl}${new URL(source.ingressUrl).pathname}`, 8)
  opened.defer(() => load.stop())
  const running = opened.move()
  return {
    load,
    reader,
    async killAndRestart(place) {
      await gateways[place]?.stop('SIGKILL')
      gateways[place] = await startGatewayProcess(environments[place] ?? {})
    },
    async untilAcknowledgedMore(count) {
      const goal = load.acknowledged.size + count
      await until(() => load.acknowledged.size >= goal, true)
    },
    async finish() {
      await load.stop()
      await untilAllCameThrough(load, reader, receiver)
      expectNothingWrong(load, reader, receiver)
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

async function environmentsOf(processes: readonly Record<string, string>[]): Promise<Record<string, string>[]> {
  const masterKeys = generateMasterKey()
  return await Promise.all(
    processes.map(async (environment) => ({
      ...(environment.DATABASE_URL === undefined ? {} : { MASTER_KEYS: masterKeys }),
      ALLOWED_NETWORKS: '127.0.0.0/8',
      PORT: String(await findFreePort('127.0.0.1')),
      ...environment,
    })),
  )
}

const idOf = (request: { headers: Record<string, unknown> }) => String(request.headers['webhook-id'])

async function untilAllCameThrough(load: Load, reader: StreamReader, receiver: Receiver): Promise<void> {
  const missing = () => {
    const streamed = new Set(reader.messages.map((message) => message.id))
    const delivered = new Set(receiver.accepted.map(idOf))
    return {
      stream: [...load.acknowledged.keys()].filter((id) => !streamed.has(id)).length,
      receiver: [...streamed].filter((id) => !delivered.has(id)).length,
    }
  }
  // What then is still missing is judged, not thrown: the verdict says more than a time-out.
  await until(missing, { stream: 0, receiver: 0 }, { timeoutMs: 60_000, everyMs: 200 }).catch(() => undefined)
}

function expectNothingWrong(load: Load, reader: StreamReader, receiver: Receiver): void {
  const deliveredIds = new Set(receiver.accepted.map(idOf))
  expect(judge({ acknowledged: load.acknowledged, streamed: reader.messages, deliveredIds })).toEqual(nothingWrong)
  expect(load.acknowledged.size).toBeGreaterThan(0)
}
