import { execFile } from 'node:child_process'
import { chmod, mkdtemp, open, readdir, readFile, rename, rm, rmdir, stat } from 'node:fs/promises'
import { promisify } from 'node:util'
import type { Binaries } from './binaries.ts'
import { embeddedError, isAbsent } from './embedded-error.ts'
import { type RuntimePlaces, serverDirectory } from './places.ts'
import { give, type ServerAccount } from './server-account.ts'

/** The one role, a superuser; the socket's directory decides who may connect. */
export const roleName = 'hookline'

/**
 * No setting of the machine comes through: not its locale, so that indexes sort alike wherever the data are moved,
 * and none of the PG variables that would redirect a server program.
 */
export const serverEnvironment = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }

/**
 * Written to postgresql.conf once, so that an operator can change them there. Shared memory in files of the data
 * directory rather than in /dev/shm, which has 64 MB in a container.
 */
const initialSettings = [
  'shared_buffers=128MB',
  'max_connections=100',
  'dynamic_shared_memory_type=mmap',
  'timezone=UTC',
  'log_timezone=UTC',
]

const unfinishedPrefix = 'unfinished-'

interface ClusterOptions {
  /** `<dataDir>/postgres`. */
  readonly root: string
  readonly account: ServerAccount
  readonly binaries: Binaries
  readonly places: RuntimePlaces
}

/**
 * Makes `<root>/data` unless it is there. initdb works in a directory of another name that is renamed when all is on
 * the disk: what was interrupted half way is never taken for a database, and is removed by the next start.
 *
 * @returns the data directory.
 * @throws CodedError EMBEDDED_WRONG_MAJOR, EMBEDDED_INIT_FAILED
 */
export async function ensureCluster(options: ClusterOptions): Promise<string> {
  const data = `${options.root}/data`
  await removeUnfinished(options.root)
  const major = await readMajor(data)
  if (major === null) {
    await createCluster(options, data)
  } else if (major !== options.binaries.major) {
    throw wrongMajor(data, major, options.binaries.major)
  } else {
    await adopt(data, options.account)
  }
  return data
}

/** @returns null when there are no data. */
async function readMajor(data: string): Promise<number | null> {
  try {
    return Number.parseInt(await readFile(`${data}/PG_VERSION`, 'utf8'), 10)
  } catch (error) {
    if (!isAbsent(error)) {
      throw embeddedError('EMBEDDED_ACCESS', `Cannot read ${data}: make it accessible to this user.`, error)
    }
  }
  try {
    await rmdir(data)
  } catch (error) {
    if (!isAbsent(error)) {
      const advice = 'Move it away to start empty, or put a backup in its place.'
      throw embeddedError('EMBEDDED_INIT_FAILED', `${data} holds files but no PostgreSQL data. ${advice}`, error)
    }
  }
  return null
}

async function createCluster({ root, account, binaries, places }: ClusterOptions, data: string): Promise<void> {
  const unfinished = await mkdtemp(`${root}/${unfinishedPrefix}`)
  await give(account, unfinished)
  const settings = initialSettings.flatMap((setting) => ['--set', setting])
  const initArguments = ['--pgdata', serverDirectory(places, unfinished), '--username', roleName, '--auth', 'trust']
  const localeArguments = ['--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--encoding=UTF8']
  try {
    await promisify(execFile)(binaries.initdb, [...initArguments, ...localeArguments, ...settings], {
      ...account,
      cwd: unfinished,
      env: serverEnvironment,
    })
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true })
    const advice = 'Is the disk full, or may the user not write there?'
    throw embeddedError(
      'EMBEDDED_INIT_FAILED',
      `Cannot make a database in ${root}. ${advice}\n${outputOf(error)}`,
      error,
    )
  }
  await rename(unfinished, data)
  await syncDirectory(root)
}

/** An initdb whose parent was killed may still be writing for a moment: what cannot be removed now is so next time. */
async function removeUnfinished(root: string): Promise<void> {
  const names = await readdir(root)
  const unfinished = names.filter((name) => name.startsWith(unfinishedPrefix))
  await Promise.allSettled(unfinished.map((name) => rm(`${root}/${name}`, { recursive: true, force: true })))
}

/** Data that root put there, from a backup for instance, belong to root with any mode; PostgreSQL would refuse them. */
async function adopt(data: string, account: ServerAccount): Promise<void> {
  if (account !== null && (await stat(data)).uid !== account.uid) {
    await promisify(execFile)('chown', ['-R', `${account.uid}:${account.gid}`, data])
  }
  await chmod(data, 0o700)
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  await handle.sync()
  await handle.close()
}

function outputOf(error: unknown): string {
  return error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : String(error)
}

function wrongMajor(data: string, dataMajor: number, ourMajor: number): Error {
  return embeddedError(
    'EMBEDDED_WRONG_MAJOR',
    `${data} was written by PostgreSQL ${dataMajor}; this Hookline brings PostgreSQL ${ourMajor}, which cannot read it. ` +
      `Nothing was changed. Go on with the Hookline that brought PostgreSQL ${dataMajor}; to leave it, copy the database ` +
      `with pg_dump while it runs, into a PostgreSQL that DATABASE_URL then names.`,
  )
}
