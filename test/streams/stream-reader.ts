import { expect } from 'vitest'
import type { Scope } from '../../src/auth/index.ts'
import type { Source } from '../../src/sources/index.ts'
import { dataOf } from '../graphql/client.ts'
import type { Gateway, Project } from '../graphql/gateway.ts'
import { type EventStreamReader, openEventStream } from '../support/event-stream.ts'

/** A project with a source, and a key that may stream it. */
export async function newReader(of: Gateway, scopes: readonly Scope[] = ['listen']) {
  const project = await of.newProject()
  const { id: keyId, token } = await project.key(scopes)
  const headers = { authorization: `Bearer ${token}` }
  const open = (query: string, more: Record<string, string> = {}) =>
    openEventStream(`${of.baseUrl}/stream?${query}`, { ...headers, ...more })
  const refusal = async (query: string, more: Record<string, string> = {}) => {
    const response = await fetch(`${of.baseUrl}/stream?${query}`, { headers: { ...headers, ...more } })
    return { status: response.status, ...((await response.json()) as { code: string; detail: string }) }
  }
  return { project, keyId, token, headers, open, refusal, source: await project.source() }
}

export async function record(project: Project, source: Source, texts: readonly string[]): Promise<void> {
  for (const text of texts) await project.message(source, { body: Buffer.from(text) })
}

/** What the next messages say. */
export async function textsOf(stream: EventStreamReader, count: number): Promise<string[]> {
  const texts: string[] = []
  while (texts.length < count) {
    const event = await stream.next()
    if (event === null) throw new Error(`the stream ended after ${texts.join()}`)
    if (event.type === 'message') texts.push(event.data.text)
  }
  return texts
}

/** An address with a ticket, at the gateway itself instead of its public URL. */
export async function ticketUrl({ baseUrl }: Gateway, token: string, sourceIds: readonly string[]): Promise<string> {
  const data = await dataOf(
    { baseUrl, token },
    `mutation ($input: CreateStreamTicketInput!) {
      createStreamTicket(input: $input) {
        __typename
        ... on CreateStreamTicketPayload { url expiresAt }
        ... on UserError { code path }
      }
    }`,
    { input: { sourceIds } },
  )
  const { __typename, url, expiresAt } = data.createStreamTicket
  if (__typename !== 'CreateStreamTicketPayload') throw new Error(JSON.stringify(data))
  expect(Date.parse(expiresAt) - Date.now()).toBeGreaterThan(50_000)
  expect(Date.parse(expiresAt) - Date.now()).toBeLessThanOrEqual(60_500)
  expect(url).toMatch(/^https:\/\/hooks\.example\/stream\?ticket=[\w-]{43}$/)
  return url.replace('https://hooks.example', baseUrl)
}
