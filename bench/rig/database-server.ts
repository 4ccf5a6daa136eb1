import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/db/embedded/index.ts'
import type { Resources } from './resources.ts'

/** One PostgreSQL for floors and gateway alike: durable (fsync, synchronous_commit), each with a database of its own. */
export interface DatabaseServer {
  /** @returns the new database's URL, for the role `hookline` that the product is measured as. */
  createDatabase(name: string): Promise<string>
  /** For the bench's own questions: a role apart, so that they are not counted as the product's. */
  openAsBench(database: string): Promise<BenchConnection>
}

export interface BenchConnection {
  ask<Row extends pg.QueryResultRow>(text: string, values?: readonly unknown[]): Promise<Row[]>
}

/** The database that is there from the start; it holds pg_stat_statements, apart from the databases measured. */
export const statisticsDatabase = 'hookline'

/** @param countsStatements loads pg_stat_statements, which costs every statement a little. */
export async function startDatabaseServer(
  resources: Resources,
  { countsStatements }: { countsStatements: boolean },
): Promise<DatabaseServer> {
  const dataDir = await mkdtemp(join(tmpdir(), 'hookline-bench-'))
  await resources.add(() => rm(dataDir, { recursive: true, force: true }))
  const { databaseUrl } = await startPrepared(resources, dataDir, countsStatements)
  return {
    async createDatabase(name) {
      await runOnce(databaseUrl, [`create database ${name}`])
      return urlOf(databaseUrl, name)
    },
    async openAsBench(database) {
      const client = await connect(urlOf(databaseUrl, database, 'bench'))
      await resources.add(() => client.end())
      return { ask: async (text, values = []) => (await client.query(text, [...values])).rows }
    },
  }
}

async function startPrepared(
  resources: Resources,
  dataDir: string,
  countsStatements: boolean,
): Promise<EmbeddedPostgres> {
  let server = await startEmbeddedPostgres({ dataDir })
  await resources.add(() => server.stop())
  await runOnce(server.databaseUrl, ['create role bench superuser login'])
  if (countsStatements) {
    await runOnce(server.databaseUrl, [`alter system set shared_preload_libraries = 'pg_stat_statements'`])
    // Libraries are loaded only when a server starts.
    await server.stop()
    server = await startEmbeddedPostgres({ dataDir })
    await runOnce(server.databaseUrl, ['create extension pg_stat_statements'])
  }
  return server
}

function urlOf(databaseUrl: string, database: string, role?: string): string {
  const url = new URL(databaseUrl)
  url.pathname = `/${database}`
  url.username = role ?? url.username
  return url.href
}

async function runOnce(databaseUrl: string, statements: readonly string[]): Promise<void> {
  const client = await connect(databaseUrl)
  try {
    for (const statement of statements) {
      await client.query(statement)
    }
  } finally {
    await client.end()
  }
}

async function connect(databaseUrl: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: databaseUrl })
  // A connection that breaks while the server is stopped must not end the process; the next query tells.
  client.on('error', () => {})
  await client.connect()
  return client
}
