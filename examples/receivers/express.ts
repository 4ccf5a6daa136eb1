/**
 * Takes deliveries in an Express server.
 *
 *   WEBHOOK_SECRET=whsec_… npx -- node examples/receivers/express.ts
 *
 * WEBHOOK_SECRET is what `createEndpoint` showed; several, separated by spaces, while it is being replaced. PORT is 4000
 * unless given.
 */
import express from 'express'
// In a project of your own: from 'hookline/receiver'
import { createReceiver, nodeHandler } from '../../src/receiver/index.ts'

/** The event types that we know, with their payloads. */
interface Payloads {
  'order.created': { readonly data: { readonly order: number } }
}

const port = Number(process.env.PORT ?? 4000)

const receiver = createReceiver<Payloads>({
  secrets: (process.env.WEBHOOK_SECRET ?? '').split(' '),
  onError: (error, event) => print(`${event?.id ?? 'a request'} failed: ${error}`),
  onRefusal: ({ code, detail }) => print(`refused: ${code} ${detail}`),
})
  // What throws here is answered with 500, and sent again later.
  .on('order.created', (event) => print(`${event.id} order ${event.json().data.order}`))
  // Answered at once, run afterwards: for what takes longer than a sender waits.
  .on('report.*', async (event) => print(`${event.id} ${event.type} made`), { inBackground: true })
  .on('*', (event) => {
    print(`${event.id} ${event.type || 'of no type'} is nothing for us`)
    return 'ignored'
  })

const app = express()
// Before any body parser: a signature covers the bytes as they were sent.
app.post('/hooks', nodeHandler(receiver))
app.use(express.json())
app.get('/', (_request, response) => {
  response.send('The rest of the application is here.')
})

const server = app.listen(port, '127.0.0.1', () => print(`waiting for deliveries at http://localhost:${port}/hooks`))

process.once('SIGTERM', () => {
  server.close(async () => {
    await receiver.whenIdle()
    print('stopped')
  })
})

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
