import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { createTemplate, dropTemplate } from './database.ts'

/**
 * One PostgreSQL for the whole run: the server at TEST_DATABASE_URL where one is named, an embedded one otherwise.
 * Every test then clones a database of its own.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env.TEST_DATABASE_URL
  const server = given === undefined ? await startEmbedded() : { url: given, stop: async () => undefined }
  const templateName = await createTemplate(server.url)
  project.provide('databaseServerUrl', server.url)
  project.provide('templateName', templateName)
  return async () => {
    await dropTemplate(server.url, templateName)
    await server.stop()
  }
}

async function startEmbedded(): Promise<{ url: string; stop: () => Promise<void> }> {
  const { startEmbeddedPostgres } = await import('../../src/db/embedded/index.ts')
  const dataDir = await mkdtemp(join(tmpdir(), 'hookline-test-'))
  const postgres = await startEmbeddedPostgres({ dataDir })
  return {
    url: postgres.databaseUrl,
    stop: async () => {
      await postgres.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
