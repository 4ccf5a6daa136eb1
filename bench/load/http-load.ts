import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { type ChildProtocol, serveParent } from '../rig/child.ts'
import { quantile } from '../rig/statistics.ts'
import { AnswerReader } from './answer-reader.ts'
import { openSocket, requestBytes } from './request.ts'

/**
 * Sends requests over raw keep-alive sockets, one request in flight on each, in a process of its own.
 *
 * A general client costs more than the bare server it would measure, and on two cores that cost hides differences.
 * So each request is a block of bytes made beforehand, and of an answer only the status and the length are read.
 */
export interface HttpLoadProtocol extends ChildProtocol {
  readonly settings: Record<string, never>
  readonly ready: null
  readonly command: HttpLoad
  readonly answer: HttpLoadReport
}

export interface HttpLoad {
  readonly port: number
  readonly connections: number
  /** Connection n sends to path n modulo their number. */
  readonly paths: readonly string[]
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** Name of a header that gets another value of 36 characters with every request; null for none. */
  readonly uniqueHeader: string | null
  /** Ends after so many requests, or when the time is over, whichever comes first. */
  readonly count: number | null
  readonly seconds: number
}

export interface HttpLoadReport {
  /** Answers by their status. */
  readonly answers: Readonly<Record<number, number>>
  /** Answers with 2xx. */
  readonly acknowledged: number
  readonly elapsedMs: number
  readonly latencyMs: { readonly p50: number; readonly p99: number }
}

serveParent<HttpLoadProtocol>(null, runLoad)

async function runLoad(load: HttpLoad): Promise<HttpLoadReport> {
  const run = new Run(load)
  const sockets = await Promise.all(Array.from({ length: load.connections }, () => openSocket(load.port)))
  run.begin()
  await Promise.all(sockets.map((socket, index) => drive(socket, run, load.paths[index % load.paths.length] ?? '/')))
  return run.report()
}

class Run {
  readonly load: HttpLoad
  readonly #latenciesMs: number[] = []
  readonly #answers: Record<number, number> = {}
  readonly #prefix = randomBytes(8).toString('hex')
  #startedMs = 0
  #sent = 0

  constructor(load: HttpLoad) {
    this.load = load
  }

  begin(): void {
    this.#startedMs = performance.now()
  }

  mayStart(): boolean {
    const isWithinTime = performance.now() - this.#startedMs < this.load.seconds * 1000
    if (!isWithinTime || (this.load.count !== null && this.#sent >= this.load.count)) {
      return false
    }
    this.#sent += 1
    return true
  }

  /** 36 characters, as long as the UUIDs that GitHub sends. */
  nextId(): string {
    return `${this.#prefix}-${this.#sent.toString(16).padStart(19, '0')}`
  }

  answered(status: number, tookMs: number): void {
    this.#latenciesMs.push(tookMs)
    this.#answers[status] = (this.#answers[status] ?? 0) + 1
  }

  report(): HttpLoadReport {
    const acknowledged = Object.entries(this.#answers)
      .filter(([status]) => status.startsWith('2'))
      .reduce((sum, [, count]) => sum + count, 0)
    return {
      answers: this.#answers,
      acknowledged,
      elapsedMs: performance.now() - this.#startedMs,
      latencyMs: { p50: quantile(this.#latenciesMs, 0.5), p99: quantile(this.#latenciesMs, 0.99) },
    }
  }
}

/** Sends on one connection until the run is over; the last answer is waited for. */
function drive(socket: Socket, run: Run, path: string): Promise<void> {
  const request = requestOf(run.load, path)
  const idOffset = request.indexOf(idPlaceholder)
  let sentMs = 0
  return new Promise((resolve, reject) => {
    const next = () => {
      if (!run.mayStart()) {
        socket.destroy()
        resolve()
        return
      }
      if (idOffset !== -1) {
        request.write(run.nextId(), idOffset, 'latin1')
      }
      sentMs = performance.now()
      socket.write(request)
    }
    const reader = new AnswerReader((status) => {
      run.answered(status, performance.now() - sentMs)
      next()
    })
    socket.on('data', (chunk) => reader.push(chunk))
    socket.on('error', reject)
    socket.on('end', () => reject(new Error('the server closed a connection under load')))
    next()
  })
}

const idPlaceholder = '#'.repeat(36)

function requestOf({ headers, uniqueHeader, body }: HttpLoad, path: string): Buffer {
  const unique = uniqueHeader === null ? {} : { [uniqueHeader]: idPlaceholder }
  return requestBytes({ path, headers: { ...headers, ...unique }, body })
}
