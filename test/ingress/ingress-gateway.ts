import { generateMasterKey } from '../../src/secrets/index.ts'
import { createTestDatabase } from '../support/database.ts'
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts'
import { type CreatedSource, createSource, graphql } from '../support/graphql-client.ts'
import { until } from '../support/until.ts'

/** A gateway with its own database, and what senders and owners of sources do with it. */
export interface IngressGateway {
  readonly process: GatewayProcess
  readonly port: number
  createSource(input: Record<string, unknown>): Promise<CreatedSource>
  /** One mutation of a payload type with `input`; its answer must not be an error. */
  mutate<Payload>(field: string, input: Record<string, unknown>, selection: string): Promise<Payload>
  query<Data>(query: string, variables?: Record<string, unknown>): Promise<Data>
  readBack(id: string): Promise<ReadBack>
  /** Last sequence and with it the number of messages of a source. */
  countMessages(sourceId: string): Promise<number>
  /** Waits for the latest refusal to be this one. */
  latestRefusal(sourceId: string, expected: Partial<RefusalView>): Promise<void>
  stop(): Promise<void>
}

export interface ReadBack {
  readonly body: string
  readonly text: string | null
  readonly json: unknown
  readonly method: string
  readonly path: string | null
  readonly query: string | null
  readonly remoteAddress: string
  readonly headers: readonly { readonly name: string; readonly value: string }[]
  readonly event: { readonly id: string | null; readonly type: string | null }
}

export interface RefusalView {
  readonly reason: string
  readonly status: number
  readonly method: string
  readonly remoteAddress: string
  readonly bodyBytes: number
  readonly signature: string | null
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly body: { id: string; sequence: number; duplicate: boolean; code: string; detail: string }
}

export async function startIngressGateway(environment: Record<string, string> = {}): Promise<IngressGateway> {
  const database = await createTestDatabase()
  const process = await startGatewayProcess({
    DATABASE_URL: database.databaseUrl,
    MASTER_KEYS: generateMasterKey(),
    ...environment,
  })
  const { baseUrl } = process
  const token = process.adminToken()
  const query: IngressGateway['query'] = (text, variables = {}) => graphql(baseUrl, token, text, variables)
  return {
    process,
    port: Number(new URL(baseUrl).port),
    query,
    createSource: (input) => createSource(baseUrl, token, input),
    async mutate(field, input, selection) {
      const type = `${field.charAt(0).toUpperCase()}${field.slice(1)}Input`
      const text = `mutation ($input: ${type}!) { ${field}(input: $input) { ${selection} ... on UserError { code message } } }`
      const data = await query<Record<string, { code?: string }>>(text, { input })
      const payload = data[field]
      if (payload === undefined || payload.code !== undefined) throw new Error(JSON.stringify(data))
      return payload as never
    },
    async readBack(id) {
      const data = await query<{ message: ReadBack }>(messageQuery, { id })
      return data.message
    },
    async countMessages(id) {
      const data = await query<{ source: { messages: { edges: unknown[] } } }>(messagesQuery, { id })
      return data.source.messages.edges.length
    },
    async latestRefusal(id, expected) {
      const latest = async () => {
        const data = await query<{ source: { refusals: { edges: { node: RefusalView }[] } } }>(refusalsQuery, { id })
        const node: Partial<Record<string, unknown>> = { ...data.source.refusals.edges[0]?.node }
        return Object.fromEntries(Object.keys(expected).map((name) => [name, node[name]]))
      }
      await until(latest, { ...expected }, { timeoutMs: 5_000 })
    },
    async stop() {
      await process.stop()
      await database.drop()
    },
  }
}

const messageQuery = `query ($id: ID!) {
  message(id: $id) {
    body text json method path query remoteAddress headers { name value } event { id type }
  }
}`

const messagesQuery = `query ($id: ID!) { source(by: { id: $id }) { messages(first: 100) { edges { node { id } } } } }`

const refusalsQuery = `query ($id: ID!) {
  source(by: { id: $id }) {
    refusals(first: 1) { edges { node { reason status method remoteAddress bodyBytes signature } } }
  }
}`

/** POST unless `init` says otherwise. Redirects are not followed. */
export async function send(url: string, init: RequestInit & { duplex?: 'half' } = {}): Promise<Answer> {
  const response = await fetch(url, { method: 'POST', redirect: 'manual', ...init })
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json') ?? false
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: isJson && text !== '' ? JSON.parse(text) : {},
  }
}
