import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
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
  await doWithoutDisk(postgres.databaseUrl)
  return {
    url: postgres.databaseUrl,
    stop: async () => {
      await postgres.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

/** No test takes the power from this server: waiting for the disk would prove nothing. */
async function doWithoutDisk(databaseUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  await client.query('alter system set fsync = off')
  await client.query('alter system set full_page_writes = off')
  await client.query('select pg_reload_conf()')
  await client.end()
}
