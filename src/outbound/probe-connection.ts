import { connect as connectTcp, isIP, type LookupFunction, type Socket } from 'node:net'
import { connect as connectTls, type SecureContext } from 'node:tls'
import { type AddressGuard, literalAddress } from './address-guard.ts'
import type { AttemptFailure } from './attempt.ts'
import { classifyFailure, describeFailure } from './classify-failure.ts'

/*
 * Opens a connection as a request does, one step after the other, and closes it without having sent anything: name, guard,
 * TCP, TLS. What is refused is not connected to; what was judged is what is connected to.
 */

/** One step on the way. Failures are those of attempts. */
export type ProbeStep<Value = object> =
  | ({ readonly isDone: true; readonly durationMs: number } & Value)
  | { readonly isDone: false; readonly failure: AttemptFailure /** For the user, one line. */; readonly detail: string }

/** Null: not tried, because a step before it failed, or because there is nothing to do. */
export interface ConnectionProbe {
  /** Null when the URL names an address. */
  readonly lookup: ProbeStep | null
  readonly connection: ProbeStep | null
  /** Null also for plain http. */
  readonly tls: ProbeStep<{ readonly protocol: string; readonly expiresAt: Date }> | null
}

export interface ProbeOptions {
  readonly guard: AddressGuard
  /** Gives allowed addresses alone. */
  readonly lookup: LookupFunction
  readonly secureContext: SecureContext | undefined
  readonly addressAttemptTimeoutMs: number
  /** For all steps together. */
  readonly timeoutMs: number
}

const nothing: ConnectionProbe = { lookup: null, connection: null, tls: null }

/** Never rejects. */
export async function probeConnection(url: URL, options: ProbeOptions): Promise<ConnectionProbe> {
  const clock = createClock(options.timeoutMs)
  const address = literalAddress(url.hostname)
  if (address !== null && options.guard.verdict(address) === 'refused') {
    const detail = "the URL's address is not a public one"
    return { ...nothing, connection: { isDone: false, failure: 'ADDRESS_REFUSED', detail } }
  }
  const found = await step(clock, 'DNS', () => lookUp(url.hostname, address, options.lookup))
  const lookup = address === null ? withoutValue(found) : null
  if (!found.isDone) return { ...nothing, lookup }
  const opened = await step(clock, 'CONNECTION_TIMEOUT', (signal) => open(url, found.value, options, signal))
  const connection = withoutValue(opened)
  if (!opened.isDone) return { lookup, connection, tls: null }
  const socket = opened.value
  try {
    if (url.protocol !== 'https:') return { lookup, connection, tls: null }
    const shaken = await step(clock, 'CONNECTION_TIMEOUT', (signal) => shakeHands(url, socket, options, signal))
    return { lookup, connection, tls: shaken.isDone ? { ...shaken, ...shaken.value } : shaken }
  } finally {
    socket.destroy()
  }
}

interface Clock {
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

function createClock(timeoutMs: number): Clock {
  return { timeoutMs, signal: AbortSignal.timeout(timeoutMs) }
}

function withoutValue(done: ProbeStep<{ value: unknown }>): ProbeStep {
  return done.isDone ? { isDone: true, durationMs: done.durationMs } : done
}

/** @param lateFailure what it is when the time is over. */
async function step<Value>(
  { signal, timeoutMs }: Clock,
  lateFailure: AttemptFailure,
  work: (signal: AbortSignal) => Promise<Value>,
): Promise<ProbeStep<{ value: Value }>> {
  const startMs = performance.now()
  const late = Promise.withResolvers<never>()
  const onLate = () => late.reject(signal.reason)
  signal.addEventListener('abort', onLate)
  try {
    signal.throwIfAborted()
    const value = await Promise.race([work(signal), late.promise])
    return { isDone: true, durationMs: performance.now() - startMs, value }
  } catch (error) {
    if (signal.aborted) return { isDone: false, failure: lateFailure, detail: `nothing within ${timeoutMs} ms` }
    const cause = error instanceof Error ? error : new Error(String(error))
    return { isDone: false, failure: classifyFailure(cause), detail: describeFailure(cause) }
  } finally {
    signal.removeEventListener('abort', onLate)
  }
}

interface FoundAddress {
  readonly address: string
  readonly family: number
}

function lookUp(hostname: string, address: string | null, lookup: LookupFunction): Promise<FoundAddress[]> {
  if (address !== null) return Promise.resolve([{ address, family: isIP(address) }])
  return new Promise((resolve, reject) => {
    lookup(hostname, { all: true }, (error, found) => {
      if (error !== null) reject(error)
      else resolve(typeof found === 'string' ? [{ address: found, family: isIP(found) }] : found)
    })
  })
}

/** @throws what the socket failed with. */
function open(
  url: URL,
  addresses: readonly FoundAddress[],
  { addressAttemptTimeoutMs }: ProbeOptions,
  signal: AbortSignal,
): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  const socket = connectTcp({
    host: literalAddress(url.hostname) ?? url.hostname,
    port: Number(url.port) || (url.protocol === 'https:' ? 443 : 80),
    lookup: (_hostname, _options, callback) => callback(null, [...addresses]),
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: addressAttemptTimeoutMs,
    signal,
  })
  socket.on('error', reject)
  socket.on('connect', () => resolve(socket))
  return promise
}

/** @throws what TLS failed with. */
function shakeHands(
  url: URL,
  socket: Socket,
  { secureContext }: ProbeOptions,
  signal: AbortSignal,
): Promise<{ protocol: string; expiresAt: Date }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ protocol: string; expiresAt: Date }>()
  const address = literalAddress(url.hostname)
  const secure = connectTls({
    socket,
    host: address ?? url.hostname,
    ...(address === null && { servername: url.hostname }),
    ALPNProtocols: ['http/1.1'],
    // Spelled out, so that NODE_TLS_REJECT_UNAUTHORIZED cannot switch it off.
    rejectUnauthorized: true,
    ...(secureContext && { secureContext }),
  })
  secure.on('error', reject)
  secure.on('close', () => reject(new Error('the connection was closed during the handshake')))
  secure.on('secureConnect', () => {
    resolve({ protocol: secure.getProtocol() ?? '', expiresAt: new Date(secure.getPeerCertificate().valid_to) })
    secure.destroy()
  })
  signal.addEventListener('abort', () => secure.destroy(), { once: true })
  return promise
}
