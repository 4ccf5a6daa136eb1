import { createClient as createStreamClient } from 'graphql-sse'
import { createClient as createSocketClient } from 'graphql-ws'
import { onTestFinished } from 'vitest'
import WebSocket from 'ws'

export interface Answer<Data = Record<string, unknown>> {
  readonly data?: Data | null
  readonly errors?: readonly { message: string; path?: (string | number)[]; extensions?: { code?: string } }[]
}

export interface Target {
  readonly baseUrl: string
  readonly token: string | null
}

// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape.
export type Loose = any

export async function post(
  { baseUrl, token }: Target,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  return await fetch(`${baseUrl}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...headers,
    },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
}

/** Runs one operation over HTTP. */
export async function run<Data = Loose>(
  target: Target,
  query: string,
  variables: Record<string, unknown> = {},
): Promise<Answer<Data>> {
  return (await (await post(target, { query, variables })).json()) as Answer<Data>
}

/** @throws when there are errors. */
export async function dataOf<Data = Loose>(
  target: Target,
  query: string,
  variables: Record<string, unknown> = {},
): Promise<Data> {
  const answer = await run<Data>(target, query, variables)
  if (answer.errors !== undefined || answer.data == null) throw new Error(JSON.stringify(answer))
  return answer.data
}

export function codesOf(answer: Answer): string[] {
  return (answer.errors ?? []).map((error) => error.extensions?.code ?? `none: ${error.message}`)
}

/** A running subscription; it ends with the test. */
export interface Subscription {
  /** The next result; null when the stream has ended. */
  next(): Promise<Loose>
  end(): Promise<void>
}

export type Transport = (target: Target, query: string, variables?: Record<string, unknown>) => Subscription

export const overWebSocket: Transport = ({ baseUrl, token }, query, variables = {}) => {
  const client = createSocketClient({
    url: `${baseUrl.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    ...(token === null ? {} : { connectionParams: { authorization: `Bearer ${token}` } }),
  })
  return subscriptionOf(client.iterate({ query, variables }), () => client.terminate())
}

export const overEventStream: Transport = ({ baseUrl, token }, query, variables = {}) => {
  const client = createStreamClient({
    url: `${baseUrl}/graphql`,
    retryAttempts: 0,
    ...(token === null ? {} : { headers: { authorization: `Bearer ${token}` } }),
  })
  return subscriptionOf(client.iterate({ query, variables }), () => client.dispose())
}

function subscriptionOf(results: AsyncIterableIterator<unknown>, dispose: () => void): Subscription {
  const end = async () => {
    await results.return?.()
    dispose()
  }
  onTestFinished(end)
  return {
    async next() {
      const result = await results.next()
      return result.done ? null : result.value
    },
    end,
  }
}
