import { setTimeout as delay } from 'node:timers/promises'

export interface PublisherOptions {
  /** The gateway's address. */
  readonly baseUrl: string
  /** A key with the scope PUBLISH. */
  readonly key: string
  /** The name of the source that keeps the events. */
  readonly source: string
  /** What the events are about: one run of the agent. */
  readonly invocationId: string
}

/** @returns the id of the message that holds the event. */
export type Publish = (type: string, data?: Record<string, unknown>) => Promise<string>

const maxAttempts = 3
const pauseMs = 500

/**
 * Publishes the events of one run, one after the other: awaited, they stand in the source in that order.
 *
 * Each has an id of its own, so that one whose answer was lost can be published again: the gateway stores an id once.
 */
export function createPublisher({ baseUrl, key, source, invocationId }: PublisherOptions): Publish {
  let count = 0
  return async (type, data = {}) => {
    count += 1
    const body = JSON.stringify({
      type,
      id: `${invocationId}-${count}`,
      source: '/agents/word-counter',
      subject: invocationId,
      data: { invocation_id: invocationId, ...data },
    })
    for (let attempt = 1; ; attempt += 1) {
      const response = await post(`${baseUrl}/events/${encodeURIComponent(source)}`, key, body)
      if (response?.ok) return ((await response.json()) as { id: string }).id
      // What is refused is refused next time, too: a wrong key, an unknown source.
      const isFinal = response !== null && response.status < 500 && response.status !== 429
      if (isFinal || attempt === maxAttempts)
        throw new Error(`${type} was not published: ${(await response?.text()) ?? 'the gateway does not answer'}`)
      await delay(pauseMs * attempt)
    }
  }
}

/** @returns null when the gateway cannot be reached. */
async function post(url: string, key: string, body: string): Promise<Response | null> {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${key}` }
  return await fetch(url, { method: 'POST', headers, body }).catch(() => null)
}
