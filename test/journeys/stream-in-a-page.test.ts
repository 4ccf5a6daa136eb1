import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { findFreePort } from '../../src/http/index.ts'
import { generateMasterKey } from '../../src/secrets/index.ts'
import { findChromium, startBrowser } from '../support/browser.ts'
import { createTestDatabase } from '../support/database.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { createSource, graphql } from '../support/graphql-client.ts'
import { until } from '../support/until.ts'

const chromium = await findChromium()

/** An application of its own origin: it holds the key, and gives its page tickets. */
async function startApplication(ticketOf: () => Promise<string>): Promise<string> {
  const server = createServer(async (request, response) => {
    response.setHeader('content-type', 'text/html')
    response.end(request.url === '/ticket' ? await ticketOf() : page)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

// What the documentation tells: a ticket opens one stream, so that who was refused asks for another and goes on.
const page = `<pre></pre><script>
  let last = ''
  async function open() {
    const url = await (await fetch('/ticket')).text()
    const events = new EventSource(url + (last && '&after=' + last))
    events.onmessage = ({ data, lastEventId }) => {
      last = lastEventId
      document.querySelector('pre').append(JSON.parse(data).text + '\\n')
    }
    events.addEventListener('caught-up', ({ lastEventId }) => {
      last = lastEventId
      document.title = 'live'
    })
    events.onerror = () => {
      document.title = 'away'
      if (events.readyState !== EventSource.CLOSED) return
      events.close()
      setTimeout(() => open().catch(open), 100)
    }
  }
  open()
</script>`

test.skipIf(chromium === null)(
  `a page of another origin shows messages live, also after the gateway was started anew${chromium === null ? ' (no Chromium on the PATH)' : ''}`,
  async () => {
    const database = await createTestDatabase()
    onTestFinished(() => database.drop())
    const sources: { id: string; ingressUrl: string }[] = []
    let token = ''
    const application = await startApplication(async () => {
      const { createStreamTicket } = await graphql<{ createStreamTicket: { url: string } }>(
        gateway.baseUrl,
        token,
        `mutation ($ids: [ID!]!) {
          createStreamTicket(input: { sourceIds: $ids }) { ... on CreateStreamTicketPayload { url } }
        }`,
        { ids: sources.map(({ id }) => id) },
      )
      return createStreamTicket.url
    })
    const environment = {
      DATABASE_URL: database.databaseUrl,
      MASTER_KEYS: generateMasterKey(),
      PORT: String(await findFreePort('127.0.0.1')),
      ALLOWED_ORIGINS: application,
    }
    let gateway = await startGatewayProcess(environment)
    onTestFinished(async () => void (await gateway.stop()))
    token = gateway.adminToken()
    sources.push(await createSource(gateway.baseUrl, token, { name: 'orders' }))
    const post = async (body: string) =>
      expect((await fetch(sources[0]?.ingressUrl ?? '', { method: 'POST', body })).status).toBe(202)

    const browser = await startBrowser(chromium ?? '')
    onTestFinished(() => browser.close())
    const shown = () => browser.page.locator('pre').textContent()
    await browser.page.goto(application)
    await until(() => browser.page.title(), 'live')
    await post('one')
    await until(shown, 'one\n')

    expect(await gateway.stop()).toBe(0)
    await until(() => browser.page.title(), 'away')
    gateway = await startGatewayProcess(environment)
    await post('two')
    await until(shown, 'one\ntwo\n')
  },
)
