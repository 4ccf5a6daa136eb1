import { createHash } from 'node:crypto'
import fc from 'fast-check'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { generateMasterKey } from '../../src/secrets/index.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts'
import { createSource, graphql } from '../support/graphql-client.ts'
import { exchange } from './exchange.ts'
import { type FuzzRequest, requestsTo, type Target } from './requests.ts'

/** `npm run fuzz -- --requests 20000 --seed N` sets them. */
const count = Number(process.env.FUZZ_REQUESTS ?? 600)
const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31)
const concurrency = 16

let database: TestDatabase
let gateway: GatewayProcess

beforeAll(async () => {
  database = await createTestDatabase()
  const environment = {
    DATABASE_URL: database.databaseUrl,
    MASTER_KEYS: generateMasterKey(),
    TRUSTED_PROXIES: '127.0.0.0/8',
  }
  gateway = await startGatewayProcess(environment)
})

afterAll(async () => {
  await gateway.stop()
  await database.drop()
})

test(
  'no request is answered with 500 or stops the process, and what was acknowledged is stored as it was sent',
  async () => {
    const port = Number(new URL(gateway.baseUrl).port)
    const targets = await openTargets(gateway)
    const requests = fc.sample(requestsTo(targets), { numRuns: count, seed })
    const failures: string[] = []
    const acknowledged = new Map<string, Buffer | null>()
    const statuses: Record<string, number> = {}
    const work = async () => {
      for (let request = requests.pop(); request !== undefined; request = requests.pop()) {
        const answer = await exchange(port, request.bytes, { closesWhenSent: !request.isWellFramed })
        statuses[String(answer.status)] = (statuses[String(answer.status)] ?? 0) + 1
        if (answer.status === 500 || (answer.status === null && request.isWellFramed)) failures.push(shown(request))
        // A duplicate's answer names the first message, whose body may be another one.
        const isDuplicate = answer.body.includes('"duplicate":true')
        for (const id of acknowledgedBy(answer)) {
          if (!acknowledged.has(id)) acknowledged.set(id, isDuplicate ? null : storedBodyOf(request))
        }
      }
    }
    await Promise.all(Array.from({ length: concurrency }, work))
    expect(failures.slice(0, 3), `seed ${seed}`).toEqual([])
    expect(gateway.isRunning(), `seed ${seed}\n${gateway.output()}`).toBe(true)
    expect(gateway.output(), `seed ${seed}`).not.toContain('"level":"error"')
    expect(await wrongOf(acknowledged), `seed ${seed}`).toEqual([])
    // The requests must reach what they are to try: many are accepted, and refused for many reasons.
    expect(statuses['202'] ?? 0).toBeGreaterThan(count / 50)
    expect(Object.keys(statuses).length).toBeGreaterThan(5)
  },
  120_000 + count * 20,
)

function shown({ bytes }: FuzzRequest): string {
  return bytes.toString('latin1').slice(0, 3_000)
}

function acknowledgedBy({ status, body }: { status: number | null; body: string }): string[] {
  return status === 202 ? [...body.matchAll(/"id":"(msg_[0-9a-z]{26})"/g)].map((match) => match[1] ?? '') : []
}

// Published events are stored by their data; all else as it came.
function storedBodyOf({ bytes, body, isWellFramed }: FuzzRequest): Buffer | null {
  return isWellFramed && !bytes.subarray(0, 40).includes(' /events/') ? body : null
}

async function wrongOf(acknowledged: ReadonlyMap<string, Buffer | null>): Promise<string[]> {
  const client = new pg.Client({ connectionString: database.databaseUrl })
  await client.connect()
  try {
    const { rows } = await client.query<{ id: string; hash: string }>(
      `select m.id, encode(sha256(m.body), 'hex') as hash from messages as m where m.id = any($1::text[])`,
      [[...acknowledged.keys()]],
    )
    const stored = new Map(rows.map((row) => [row.id, row.hash]))
    const isWrong = ([id, body]: [string, Buffer | null]) =>
      body === null ? !stored.has(id) : stored.get(id) !== createHash('sha256').update(body).digest('hex')
    return [...acknowledged].filter(isWrong).map(([id]) => id)
  } finally {
    await client.end()
  }
}

async function openTargets({ baseUrl, adminToken }: GatewayProcess): Promise<Target[]> {
  const token = adminToken()
  const open = async (name: string, input: object = {}) => {
    const source = await createSource(baseUrl, token, { name, ...input })
    return new URL(source.ingressUrl).pathname
  }
  const preset = (name: string, secret: string) => ({ verification: { preset: { preset: name, secret } } })
  const mapping = { id: { pointer: '/id' }, type: { pointer: '/type' }, subject: { header: 'ce-subject' } }
  const github = await open('github', { ...preset('GITHUB', 'a secret'), mapping })
  await registerType(baseUrl, token)
  const bearer = [['Authorization', `Bearer ${token}`]] as const
  return [
    { path: await open('plain', { allowedMethods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD'] }) },
    { path: await open('mapped', { mapping, requiresJson: true }) },
    { path: await open('answering', { acceptedResponse: { status: 200, body: 'ok' } }) },
    {
      path: await open('limited', { rateLimit: { count: 1_000_000, windowMs: 1_000 }, allowedNetworks: ['0.0.0.0/0'] }),
    },
    { path: github, githubSecret: 'a secret' },
    { path: '/q/default/github', githubSecret: 'a secret' },
    { path: await open('stripe', preset('STRIPE', 'whsec_test_secret')) },
    { path: await open('slack', preset('SLACK', '8f742231b10e8888abcd99yyyzzz85a5')) },
    { path: await open('standard', preset('STANDARD_WEBHOOKS', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')) },
    { path: await open('twilio', preset('TWILIO', '12345')) },
    { path: await open('zoom', preset('ZOOM', 'zoom-secret-token')) },
    { path: await open('graph', preset('MICROSOFT_GRAPH', 's')) },
    { path: await open('dropbox', preset('DROPBOX', 'a secret of dropbox')) },
    { path: await open('keyed', { verification: { apiKey: { header: 'X-Api-Key', value: 'k'.repeat(32) } } }) },
    {
      path: await open('basic', { verification: { basic: { username: 'user', password: 'pass' } } }),
      headers: [['Authorization', `Basic ${Buffer.from('user:pass').toString('base64')}`]],
    },
    { path: '/events/plain', headers: bearer },
    { path: '/events/plain', headers: [...bearer, ['Content-Type', 'application/cloudevents+json']] },
    { path: '/events/plain', headers: [...bearer, ['Content-Type', 'application/cloudevents-batch+json']] },
    { path: '/events/nowhere', headers: bearer },
    { path: '/in/none' },
    { path: '/q/default/plain' },
  ]
}

async function registerType(baseUrl: string, token: string): Promise<void> {
  const schema = { type: 'object', required: ['price'], properties: { price: { type: 'number' } } }
  await graphql(
    baseUrl,
    token,
    `mutation ($input: RegisterEventTypesInput!) { registerEventTypes(input: $input) { __typename } }`,
    { input: { eventTypes: [{ name: 'checked.type', schema, onViolation: 'REFUSE' }] } },
  )
}
