import { type ConnectionEnd, openConnection, type Subscription } from './listen-connection.ts'
import type { ListenEvent } from './listen-documents.ts'
import type { Login } from './login-credentials.ts'

/** The events of one connection, in order. */
export interface Inbox {
  /** Null at the end of the connection, when all is taken, and at once after the signal. */
  next(): Promise<ListenEvent | null>
  /** Why it ended; null when it ended on our side: stopped, or too much was waiting. */
  end(): ConnectionEnd | null
  close(): void
}

export interface InboxOptions {
  readonly login: Login
  readonly subscription: Subscription
  readonly signal: AbortSignal
  /** An event has come; it may wait here for long. */
  arrived(event: ListenEvent): void
}

/** Past it the connection is given up; what was not taken comes again with the next one. */
const maxWaitingBytes = 16 * 1024 * 1024

export function openInbox({ login, subscription, signal, arrived }: InboxOptions): Inbox {
  const waiting: { event: ListenEvent; bytes: number }[] = []
  let waitingBytes = 0
  let isOver = false
  let end: ConnectionEnd | null = null
  let wake = () => {}

  const connection = openConnection(login, subscription, {
    onEvent(event, bytes) {
      if (isOver) return
      arrived(event)
      waiting.push({ event, bytes })
      waitingBytes += bytes
      if (waitingBytes > maxWaitingBytes) stop()
      wake()
    },
    onEnd(reason) {
      if (!isOver) end = reason
      isOver = true
      wake()
    },
  })
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()

  function stop(): void {
    isOver = true
    connection.close()
    wake()
  }

  return {
    async next() {
      while (waiting.length === 0 && !isOver) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      const first = signal.aborted ? undefined : waiting.shift()
      if (first === undefined) return null
      waitingBytes -= first.bytes
      return first.event
    },
    end: () => end,
    close() {
      signal.removeEventListener('abort', stop)
      stop()
    },
  }
}
