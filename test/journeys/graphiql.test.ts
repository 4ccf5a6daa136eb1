import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { generateMasterKey } from '../../src/secrets/index.ts'
import { findChromium, startBrowser } from '../support/browser.ts'
import { createTestDatabase } from '../support/database.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { graphql } from '../support/graphql-client.ts'

const chromium = await findChromium()

test.skipIf(chromium === null)(
  `a newcomer sees a webhook arrive live in GraphiQL${chromium === null ? ' (no Chromium on the PATH)' : ''}`,
  async () => {
    const database = await createTestDatabase()
    const gateway = await startGatewayProcess({ DATABASE_URL: database.databaseUrl, MASTER_KEYS: generateMasterKey() })
    const token = gateway.adminToken()
    const { sources } = await graphql<{ sources: { nodes: { id: string; ingressUrl: string }[] } }>(
      gateway.baseUrl,
      token,
      '{ sources { nodes { id ingressUrl } } }',
    )
    const [source] = sources.nodes
    const { page, close } = await startBrowser(chromium ?? '')
    page.setDefaultTimeout(10_000)
    const foreign: string[] = []
    page.on('request', (request) => {
      if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(gateway.baseUrl))
        foreign.push(request.url())
    })

    await page.goto(`${gateway.baseUrl}/graphql`)
    await editorOf(page, 'Headers').waitFor()
    await write(page, 'Headers', `{"authorization": "Bearer ${token}"}`)
    await write(page, 'Variables', `{"sourceIds": ["${source?.id}"]}`)
    await page.getByRole('button', { name: 'Execute query' }).click()
    await page.getByRole('menuitem', { name: 'ReceiveLive' }).click()
    await page.locator('.result-window').getByText('CaughtUp').waitFor()
    const answer = await fetch(source?.ingressUrl ?? '', { method: 'POST', body: 'seen-in-the-browser' })
    expect(answer.status).toBe(202)
    await page.locator('.result-window').getByText('seen-in-the-browser').waitFor()

    expect(foreign).toEqual([])
    await close()
    expect(await gateway.stop()).toBe(0)
    await database.drop()
  },
)

const editorOf = (page: Page, tool: string) => page.locator(`.monaco-editor[data-uri*="${tool.toLowerCase()}.json"]`)

async function write(page: Page, tool: 'Headers' | 'Variables', text: string): Promise<void> {
  // The button of the tool that is open would close it.
  if (!(await editorOf(page, tool).isVisible())) await page.getByRole('button', { name: tool, exact: true }).click()
  await editorOf(page, tool).click()
  await page.keyboard.press('ControlOrMeta+A')
  await page.keyboard.press('Delete')
  await page.keyboard.insertText(text)
}
