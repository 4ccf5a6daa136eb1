/**
 * Takes deliveries and checks their signatures with the package of Standard Webhooks, which exists for many languages.
 *
 *   WEBHOOK_SECRET=whsec_… npx -- node examples/receiver.ts [port]
 *
 * The secret is what `createEndpoint` showed. The port is 4000 unless given.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { Webhook, WebhookVerificationError } from 'standardwebhooks'

const port = Number(process.argv[2] ?? 4000)
const webhook = new Webhook(process.env.WEBHOOK_SECRET ?? '')

/** A delivery may come more than once, always under the same id. Keep these where your data are, for some days. */
const handledIds = new Set<string>()

createServer((request, response) => {
  receive(request, response).catch((error: unknown) => {
    print(String(error))
    // Anything but 2xx is tried again later, by the retry schedule.
    if (!response.headersSent) response.writeHead(500)
    response.end()
  })
}).listen(port, '127.0.0.1', () => print(`waiting for deliveries at http://localhost:${port}`))

async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
  // The signature covers the body as it was sent: check before parsing.
  const body = await text(request)
  const headers = {
    'webhook-id': String(request.headers['webhook-id'] ?? ''),
    'webhook-timestamp': String(request.headers['webhook-timestamp'] ?? ''),
    'webhook-signature': String(request.headers['webhook-signature'] ?? ''),
  }
  try {
    webhook.verify(body, headers, { jsonParse: false })
  } catch (error) {
    if (!(error instanceof WebhookVerificationError)) throw error
    print(`refused: ${error.message}`)
    response.writeHead(401).end()
    return
  }
  const id = headers['webhook-id']
  print(handledIds.has(id) ? `${id} again, nothing to do` : `${id} ${body}`)
  handledIds.add(id)
  response.writeHead(204).end()
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
