import type { ServerResponse } from 'node:http'
import { watchReader } from '../kernel/stalled-reader.ts'

export interface EventStreamOptions {
  /** Flat, in addition to those that every event stream has. */
  readonly headers: readonly string[]
  /** A reader that takes nothing for this long is cut off. */
  readonly stalledMs: number
  readonly heartbeatMs: number
  /** Aborts when there is nothing more to send. */
  readonly ended: AbortSignal
}

/** One event of a stream. `data` is on one line. */
export interface ServerSentEvent {
  readonly id: string
  readonly event: string
  readonly data: Buffer
}

/** Writes server-sent events, as fast as their reader takes them. */
export interface EventStreamWriter {
  /** Lines that tell the reader something, but no event. */
  tell(lines: string): void
  /** Resolves when there is room for the next event, or when the stream has ended. One at a time. */
  send(event: ServerSentEvent): Promise<void>
  /** Ends the response with these lines; of a reader who is behind the connection is cut. */
  end(lines: string): void
  /** Whether the reader was cut off because it took nothing. */
  readonly isStalled: boolean
}

/** Larger events go in pieces, so that one who takes them slowly is seen to take them, and holds little of them here. */
const pieceBytes = 256 * 1024
/** Smaller ones are copied, which costs less than writing head, data and end one by one. */
const copiedBytes = 16 * 1024

const eventStreamHeaders = [
  ['content-type', 'text/event-stream; charset=utf-8'],
  ['cache-control', 'no-store, no-transform'],
  // nginx would hold events back.
  ['x-accel-buffering', 'no'],
  ['referrer-policy', 'no-referrer'],
  ['x-content-type-options', 'nosniff'],
].flat()

/**
 * Begins the answer.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
export function openEventStream(
  response: ServerResponse,
  { headers, stalledMs, heartbeatMs, ended }: EventStreamOptions,
): EventStreamWriter {
  let isWithinEvent = false
  let isStalled = false
  response.writeHead(200, [...eventStreamHeaders, ...headers])

  // While bytes wait for the reader, a heart-beat says nothing, and would count as a sign of life.
  const heartbeat = setInterval(() => {
    if (!isWithinEvent && response.writableLength === 0) response.write(':\n\n')
  }, heartbeatMs)
  response.once('close', () => clearInterval(heartbeat))
  const look = watchReader(response, {
    stalledMs,
    isWaiting: () => response.writableLength > 0,
    onStalled() {
      isStalled = true
      response.destroy()
    },
  })
  look()

  async function write(bytes: Buffer | string): Promise<void> {
    if (!response.write(bytes)) await drained(response, ended)
  }

  async function sendInPieces(head: string, data: Buffer): Promise<void> {
    isWithinEvent = true
    await write(head)
    for (let start = 0; start < data.length && !ended.aborted; start += pieceBytes) {
      await write(data.subarray(start, start + pieceBytes))
    }
    if (ended.aborted) return
    await write('\n\n')
    isWithinEvent = false
  }

  return {
    tell: (lines) => void response.write(`${lines}\n\n`),
    async send({ id, event, data }) {
      const head = `id: ${id}\nevent: ${event}\ndata: `
      if (data.length > copiedBytes) await sendInPieces(head, data)
      else await write(Buffer.concat([Buffer.from(head), data, Buffer.from('\n\n')]))
    },
    end(lines) {
      clearInterval(heartbeat)
      if (isWithinEvent || response.writableNeedDrain) response.destroy()
      else response.end(`${lines}\n\n`)
    },
    get isStalled() {
      return isStalled
    },
  }
}

/** Resolves when there is room again, when the connection is gone, or when the stream has ended. */
function drained(response: ServerResponse, ended: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => {
      response.off('drain', settle).off('close', settle)
      ended.removeEventListener('abort', settle)
      resolve()
    }
    response.once('drain', settle).once('close', settle)
    ended.addEventListener('abort', settle)
    if (response.destroyed || ended.aborted) settle()
  })
}
