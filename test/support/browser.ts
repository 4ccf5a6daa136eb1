import { access, constants, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { type BrowserContext, chromium, type Page } from 'playwright-core'

const names = ['chromium', 'chromium-browser', 'google-chrome']

/** The path of a Chromium on the PATH; null when there is none. Under CI a missing one fails the run instead. */
export async function findChromium(): Promise<string | null> {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    for (const name of names) {
      const path = join(folder, name)
      const isThere = await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
      if (isThere) return path
    }
  }
  if (process.env.CI) throw new Error('no Chromium is on the PATH: install one')
  return null
}

export interface TestBrowser {
  readonly page: Page
  close(): Promise<void>
}

/** A browser with an empty profile that talks to nobody but the pages that it opens. */
export async function startBrowser(executablePath: string): Promise<TestBrowser> {
  const profile = await mkdtemp(join(tmpdir(), 'hookline-browser-'))
  const context: BrowserContext = await chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    viewport: { width: 1400, height: 900 },
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
  return {
    page: context.pages()[0] ?? (await context.newPage()),
    async close() {
      await context.close()
      await rm(profile, { recursive: true, force: true })
    },
  }
}
