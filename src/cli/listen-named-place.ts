import { setTimeout as delay } from 'node:timers/promises'
import { Failure } from './command.ts'
import { askGateway } from './gateway-api.ts'
import {
  acknowledgeMutation,
  createListenerMutation,
  findListenerQuery,
  listenByNameSubscription,
} from './listen-documents.ts'
import type { ListenPlace } from './listen-place.ts'
import type { Login } from './login-credentials.ts'

/*
 * A place that the gateway keeps under a name, as a listener of the API key: the next run goes on where this one ended.
 * What was dealt with is acknowledged in the background, twice a second at most; before a connection is opened again and
 * at the end, all of it. A run that is killed may be given the messages of its last moment once more.
 */

export interface NamedPlaceOptions {
  readonly login: Login
  readonly source: { readonly id: string; readonly name: string }
  readonly name: string
  /** Counts when the listener is new. */
  readonly since: string | null
  readonly filter: object | null
}

const acknowledgePauseMs = 500
const closeTimeoutMs = 3_000

/** Finds the listener, or creates it. @throws Failure when it reads another source. */
export async function openNamedPlace(options: NamedPlaceOptions): Promise<ListenPlace> {
  const { login, name, filter } = options
  const listenerId = (await findListener(options)) ?? (await createListener(options))
  let lease: string | null = null
  let dealtWith: string | null = null
  let acknowledged: string | null = null
  let working: Promise<void> | null = null

  /** Up to what is dealt with when it is called. */
  async function acknowledge(): Promise<void> {
    if (dealtWith === acknowledged || lease === null) return
    const cursor = dealtWith
    const { acknowledgeMessages: answer } = await askGateway<AcknowledgeAnswer>(login, acknowledgeMutation, {
      input: { listenerId, cursor, lease },
    })
    if (answer.code === 'LEASE_LOST') throw new Failure(`Another run has taken the listener "${name}".`)
    if (answer.message !== undefined) throw new Failure(answer.message)
    acknowledged = cursor
  }

  async function acknowledgeInBackground(): Promise<void> {
    try {
      while (dealtWith !== acknowledged) {
        await delay(acknowledgePauseMs, undefined, { ref: false })
        await acknowledge()
      }
    } catch {
      // Tried again with the next event, before the next connection, and at the end.
    } finally {
      working = null
    }
  }

  return {
    async subscription() {
      await working
      await acknowledge()
      return { query: listenByNameSubscription, variables: { name, filter } }
    },
    arrived(event) {
      if (event.__typename !== 'ListenerLeased') return
      lease = event.lease
      dealtWith = event.cursor
      acknowledged = event.cursor
    },
    passed(event) {
      dealtWith = event.cursor
      working ??= acknowledgeInBackground()
    },
    async close() {
      const clock = new AbortController()
      const late = delay(closeTimeoutMs, undefined, { signal: clock.signal }).then(() => {
        throw new Failure('no answer in time')
      })
      await Promise.race([acknowledge(), late]).finally(() => clock.abort())
    },
  }
}

interface AcknowledgeAnswer {
  /** The fields of the payload, or of an error. */
  readonly acknowledgeMessages: { readonly code?: string; readonly message?: string }
}

/** @returns its id; null when there is none of this name. */
async function findListener({ login, source, name }: NamedPlaceOptions): Promise<string | null> {
  const { listener } = await askGateway<{
    listener: { id: string; source: { id: string; name: string } | null } | null
  }>(login, findListenerQuery, { name })
  if (listener === null || listener.source?.id === source.id) return listener?.id ?? null
  const other = listener.source === null ? 'another source' : `the source ${listener.source.name}`
  throw new Failure(`The listener "${name}" reads ${other}, not ${source.name}. Choose another --name.`)
}

async function createListener({ login, source, name, since }: NamedPlaceOptions): Promise<string> {
  const { createListener: answer } = await askGateway<{
    createListener: { listener?: { id: string }; message?: string }
  }>(login, createListenerMutation, { input: { sourceId: source.id, name, since } })
  if (answer.listener !== undefined) return answer.listener.id
  throw new Failure(`The listener "${name}" cannot be created: ${answer.message}`)
}
