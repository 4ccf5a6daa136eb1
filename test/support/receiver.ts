import { createServer, type IncomingHttpHeaders } from 'node:http'
import { buffer } from 'node:stream/consumers'

export interface ReceivedRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** The one double in our tests: somebody else's server that takes deliveries. */
export interface Receiver {
  readonly url: string
  readonly requests: ReceivedRequest[]
  /** Those that were answered with 2xx. */
  readonly accepted: ReceivedRequest[]
  close(): Promise<void>
}

/** @param answer the status for a request; 204 unless given. A promise holds the answer back; throwing answers 500. */
export async function startReceiver(
  answer: (request: ReceivedRequest, place: number) => number | Promise<number> = () => 204,
): Promise<Receiver> {
  const requests: ReceivedRequest[] = []
  const accepted: ReceivedRequest[] = []
  const server = createServer(async (request, response) => {
    const body = await buffer(request).catch(() => null)
    if (body === null) return
    const received = { method: request.method ?? '', path: request.url ?? '', headers: request.headers, body }
    const place = requests.push(received) - 1
    const status = await (async () => answer(received, place))().catch(() => 500)
    if (status >= 200 && status < 300) accepted.push(received)
    response.writeHead(status).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no address')
  return {
    url: `http://127.0.0.1:${address.port}/hook`,
    requests,
    accepted,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
