import { setTimeout as delay } from 'node:timers/promises'
import type { BenchConnection } from './database-server.ts'
import type { Gateway } from './gateway.ts'

export interface OpenSource {
  readonly id: string
  /** Of the ingress URL. */
  readonly path: string
  lastSequence(): Promise<number>
}

const createSource = `mutation ($input: CreateSourceInput!) {
  createSource(input: $input) {
    __typename
    ... on SourcePayload { source { id ingressUrl } }
    ... on UserError { message }
  }
}`

interface SourceOptions {
  readonly name: string
  /** Verifies senders as GitHub signs; null accepts whoever knows the address. */
  readonly githubSecret: string | null
  /** Further fields of `CreateSourceInput`. */
  readonly settings?: object
}

export async function openSource(
  gateway: Gateway,
  { name, githubSecret, settings = {} }: SourceOptions,
): Promise<OpenSource> {
  const verification =
    githubSecret === null ? {} : { verification: { preset: { preset: 'GITHUB', secret: githubSecret } } }
  const { createSource: answer } = await gateway.graphql<{
    createSource: { source?: { id: string; ingressUrl: string }; message?: string }
  }>(createSource, { input: { name, ...verification, ...settings } })
  if (answer.source === undefined) {
    throw new Error(`no source: ${answer.message}`)
  }
  const { id, ingressUrl } = answer.source
  return {
    id,
    path: new URL(ingressUrl).pathname,
    async lastSequence() {
      const { source } = await gateway.graphql<{ source: { lastSequence: number } }>(
        'query ($id: ID!) { source(by: { id: $id }) { lastSequence } }',
        { id },
      )
      return source.lastSequence
    },
  }
}

const pollMs = 5
const fanOutWithinMs = 10_000

/**
 * Waits until fan-out has passed all that was acknowledged, so that no left-over work falls into another's measurement.
 *
 * @returns how long that took, in ms.
 */
export async function untilFannedOut(connection: BenchConnection): Promise<number> {
  const startedMs = performance.now()
  while (performance.now() - startedMs < fanOutWithinMs) {
    const behind = await connection.ask(
      `select h.source_id
         from source_heads as h
         left join fan_out_marks as f on f.source_id = h.source_id
        where h.last_sequence > coalesce(f.fanned_out_to, 0)
        limit 1`,
    )
    if (behind.length === 0) {
      return performance.now() - startedMs
    }
    await delay(pollMs)
  }
  throw new Error('fan-out did not catch up')
}
