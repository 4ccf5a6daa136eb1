import { createSecureContext, getCACertificates } from 'node:tls'
import { Agent, type Dispatcher } from 'undici'
import { type AddressGuard, literalAddress } from './address-guard.ts'
import type { AttemptOutcome } from './attempt.ts'
import { Exchange } from './exchange.ts'
import { createGuardedLookup, type Resolve } from './guarded-lookup.ts'
import { type ConnectionProbe, type ProbeOptions, probeConnection } from './probe-connection.ts'
import { createNameResolver } from './resolve-name.ts'

/*
 * The only way out. One guarded HTTP/1.1 request becomes one AttemptOutcome, whatever the receiver or the network does:
 *
 *   1. a host that is an address is judged here, on every request, because sockets look up names only;
 *   2. a name is resolved by resolve-name, and guarded-lookup judges all of its addresses, when a connection is opened;
 *   3. exchange.ts keeps what comes back within bounds, cuts what goes on for ever, and names what failed.
 *
 * No redirect is followed (its target would have to be judged as a registered URL is), nothing is decompressed, and the
 * environment's proxy settings do not apply.
 */

export type { AttemptFailure, AttemptOutcome, AttemptResponse } from './attempt.ts'
export type { ConnectionProbe, ProbeStep } from './probe-connection.ts'

export interface OutboundOptions {
  guard: AddressGuard
  /** Name lookup, TCP and TLS together. Default 5,000. */
  connectTimeoutMs?: number
  /** Certificates (PEM) of further authorities to trust, besides Node's own and NODE_EXTRA_CA_CERTS. */
  ca?: readonly string[]
  /** Stands in for the name servers in tests. */
  resolve?: Resolve
}

export interface OutboundRequest {
  /** Absolute, http or https, as checkUrl returned it. Credentials and fragment in it are not sent. */
  url: string
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS'
  /** Sent in this order and spelling. `accept-encoding` is ours; host and lengths are added. */
  headers: readonly (readonly [name: string, value: string])[]
  body: Uint8Array | null
  /** For the whole attempt, from the call to the response's last byte. */
  timeoutMs: number
  /** Gives the attempt up: the promise rejects with the signal's reason. */
  signal?: AbortSignal
}

export interface Outbound {
  /**
   * Rejects only for what is no outcome: with the signal's reason, or with a TypeError when the call cannot be sent at
   * all (malformed URL, header or method: a bug) or after close().
   */
  request(call: OutboundRequest): Promise<AttemptOutcome>
  /**
   * Opens a connection as `request` would, and closes it without having sent anything. Never rejects.
   *
   * @param url as `request` takes it.
   * @param timeoutMs for name, connection and TLS together.
   */
  probe(url: string, timeoutMs: number): Promise<ConnectionProbe>
  /** Takes no more requests, waits for those under way, closes the connections. */
  close(): Promise<void>
}

const DEFAULT_CONNECT_TIMEOUT_MS = 5_000

// Above what is kept (20,000), so that a talkative receiver is recorded rather than failed.
const MAX_RESPONSE_HEADERS_BYTES = 65_536

// Node gives each address of a name 250 ms before it tries the next: too little for receivers on other continents.
const ADDRESS_ATTEMPT_TIMEOUT_MS = 1_000

export function createOutbound(options: OutboundOptions): Outbound {
  const connecting = connectingOf(options)
  const agent = createAgent(options, connecting)
  let isClosed = false
  return {
    async request(call) {
      if (isClosed) throw new TypeError('outbound is closed')
      call.signal?.throwIfAborted()
      const url = new URL(call.url)
      const address = literalAddress(url.hostname)
      if (address !== null && options.guard.verdict(address) === 'refused') return refusedOutcome()
      return exchange(agent, url, call)
    },
    probe: (url, timeoutMs) =>
      probeConnection(new URL(url), {
        ...connecting,
        guard: options.guard,
        addressAttemptTimeoutMs: ADDRESS_ATTEMPT_TIMEOUT_MS,
        timeoutMs,
      }),
    close() {
      isClosed = true
      return agent.close()
    },
  }
}

function connectingOf({ guard, resolve, ca }: OutboundOptions): Pick<ProbeOptions, 'lookup' | 'secureContext'> {
  return {
    lookup: createGuardedLookup(guard, resolve ?? createNameResolver()),
    secureContext: ca && createSecureContext({ ca: [...getCACertificates('default'), ...ca] }),
  }
}

function createAgent(
  options: OutboundOptions,
  { lookup, secureContext }: Pick<ProbeOptions, 'lookup' | 'secureContext'>,
): Agent {
  return new Agent({
    allowH2: false,
    // As many as there are requests: with a bound those that hang would hold up all others to the same host, which may be
    // other tenants'. Callers bound how many they have under way.
    connections: null,
    // The time for the whole attempt, which callers choose, covers the wait for headers and the pauses between chunks.
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: MAX_RESPONSE_HEADERS_BYTES,
    connect: {
      timeout: options.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS,
      lookup,
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: ADDRESS_ATTEMPT_TIMEOUT_MS,
      // Spelled out, so that NODE_TLS_REJECT_UNAUTHORIZED cannot switch it off.
      rejectUnauthorized: true,
      ...(secureContext && { secureContext }),
    },
  })
}

function exchange(agent: Agent, url: URL, call: OutboundRequest): Promise<AttemptOutcome> {
  const { promise, resolve, reject } = Promise.withResolvers<AttemptOutcome>()
  const release = () => {
    clearTimeout(deadline)
    call.signal?.removeEventListener('abort', cancel)
  }
  const handler = new Exchange({
    resolve(outcome) {
      release()
      resolve(outcome)
    },
    reject(error) {
      release()
      reject(error)
    },
  })
  const cancel = () => handler.cancel(call.signal?.reason)
  const deadline = setTimeout(() => handler.expire(call.timeoutMs), call.timeoutMs)
  call.signal?.addEventListener('abort', cancel)
  agent.dispatch(toDispatchOptions(url, call), handler)
  return promise
}

function toDispatchOptions(url: URL, { method, headers, body }: OutboundRequest): Dispatcher.DispatchOptions {
  return { origin: url.origin, path: url.pathname + url.search, method, headers: flatten(headers), body }
}

/** The flat list (name, value, name, value …) that undici takes without copying, with our accept-encoding. */
function flatten(headers: OutboundRequest['headers']): string[] {
  const flat = ['accept-encoding', 'identity']
  for (const [name, value] of headers) {
    if (name.length === 15 && name.toLowerCase() === 'accept-encoding') continue
    flat.push(name, value)
  }
  return flat
}

function refusedOutcome(): AttemptOutcome {
  return {
    startedAt: new Date(),
    durationMs: 0,
    response: null,
    failure: 'ADDRESS_REFUSED',
    failureDetail: "the URL's address is not a public one",
    retryAfter: null,
  }
}
