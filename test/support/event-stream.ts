import { onTestFinished } from 'vitest'

/** One server-sent event, as a browser dispatches it. */
export interface ReceivedEvent {
  readonly type: string
  /** The last id of the stream so far. */
  readonly lastEventId: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into events of every shape.
  readonly data: any
}

/** An event stream being read; it ends with the test. */
export interface EventStreamReader {
  readonly response: Response
  /** After the event that `next` gave last; before the first one, of what was received so far. */
  lastEventId(): string
  /** The reconnection time that was last told, in ms. */
  retryMs(): number | null
  /** How many comments have come. */
  comments(): number
  /** The next event; null when the stream has ended, however it did. */
  next(): Promise<ReceivedEvent | null>
  close(): void
}

/**
 * Opens an event stream and reads it as the standard says.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */
export async function openEventStream(url: string, headers: Record<string, string> = {}): Promise<EventStreamReader> {
  const controller = new AbortController()
  onTestFinished(() => controller.abort())
  const response = await fetch(url, { headers, signal: controller.signal })
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  const dispatched: ReceivedEvent[] = []
  let taken: ReceivedEvent | null = null
  let [buffer, type, data, lastEventId, retry, comments] = ['', '', '', '', null as number | null, 0]

  function take(line: string): void {
    if (line === '') {
      if (data !== '') dispatched.push({ type: type || 'message', lastEventId, data: JSON.parse(data.slice(0, -1)) })
      ;[type, data] = ['', '']
      return
    }
    const [, field = '', value = ''] = /^([^:]*)(?::(?: )?(.*))?$/s.exec(line) ?? []
    if (field === '') comments += 1
    else if (field === 'event') type = value
    else if (field === 'data') data += `${value}\n`
    else if (field === 'id') lastEventId = value
    else if (field === 'retry') retry = Number(value)
    else throw new Error(`no field of an event stream: ${line}`)
  }

  /** @returns false when nothing more comes. */
  async function read(): Promise<boolean> {
    const chunk = await reader?.read().catch(() => undefined)
    if (chunk?.value === undefined) return false
    const lines = (buffer + chunk.value).split('\n')
    buffer = lines.pop() ?? ''
    lines.forEach(take)
    return true
  }

  return {
    response,
    lastEventId: () => taken?.lastEventId ?? lastEventId,
    retryMs: () => retry,
    comments: () => comments,
    async next() {
      while (dispatched.length === 0) if (!(await read())) return null
      taken = dispatched.shift() ?? null
      return taken
    },
    close: () => controller.abort(),
  }
}
