/** What a sender remembers of a load: which messages were acknowledged, under which content. */
export interface Load {
  /** Message id and the content that was sent. */
  readonly acknowledged: Map<string, string>
  /** Requests without an answer of 2xx. Whether they were stored is unknown. */
  failedCount: number
  stop(): Promise<void>
}

/** Between two requests of one sender: about 500 a second in all, so that a history stays small enough to judge. */
const pauseMs = 15

/** Sends different contents one after another, over `senders` connections, until stopped. */
export function startLoad(urls: () => string, senders: number): Load {
  const acknowledged = new Map<string, string>()
  let isOver = false
  let next = 0
  const load: Load = {
    acknowledged,
    failedCount: 0,
    async stop() {
      isOver = true
      await Promise.all(running)
    },
  }
  const running = Array.from({ length: senders }, async () => {
    while (!isOver) {
      const body = JSON.stringify({ number: next, parity: next++ % 2 })
      const id = await send(urls(), body)
      if (id !== null) acknowledged.set(id, body)
      else load.failedCount += 1
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  })
  return load
}

async function send(url: string, body: string): Promise<string | null> {
  try {
    const response = await fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/json' } })
    const answer = (await response.json()) as { id?: string }
    return response.status === 202 && answer.id !== undefined ? answer.id : null
  } catch {
    return null
  }
}
