import { chmod, readFile, rename, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { DatabaseSync } from 'node:sqlite'
import { embeddedError } from './embedded-error.ts'

/** Who uses a data directory; written for people and for commands that want to join in, never trusted as a lock. */
export interface Owner {
  readonly pid: number
  readonly host: string
  /** Null until the server accepts connections. */
  readonly databaseUrl: string | null
}

export interface OwnerLock {
  /** Tells others where the server listens. */
  announce(databaseUrl: string): Promise<void>
  release(): void
}

/** Two processes that start at the same moment can block each other for an instant; one of them must win. */
const contentionTimeoutMs = 250
const sqliteBusy = 5

/**
 * Takes the data directory for this process, or refuses.
 *
 * The lock is the kernel's file lock that SQLite holds in an open exclusive transaction on an empty file. It ends with
 * the process however that dies, does not depend on process ids (which are reused, and mean nothing in another
 * container on the same volume), and works on Linux and macOS, where Node has no flock of its own.
 *
 * @throws CodedError EMBEDDED_IN_USE, naming the owner; EMBEDDED_ACCESS when the file system has no locks.
 */
export async function takeOwnerLock(root: string): Promise<OwnerLock> {
  const ownerFile = ownerFileIn(root)
  const lock = openLocked(`${root}/owner.lock`)
  if (lock === null) {
    throw await inUse(root)
  }
  const write = async (databaseUrl: string | null) => {
    const owner: Owner = { pid: process.pid, host: hostname(), databaseUrl }
    await writeFile(`${ownerFile}.new`, JSON.stringify(owner), { mode: 0o600 })
    await rename(`${ownerFile}.new`, ownerFile)
  }
  try {
    // By path: opening and closing a locked file would end the locks that this process has on it.
    await chmod(`${root}/owner.lock`, 0o600)
    await write(null)
  } catch (error) {
    lock.close()
    throw error
  }
  return { announce: write, release: () => lock.close() }
}

/** @returns who wrote the owner file last, dead or alive; null when nobody did. */
export async function readOwner(root: string): Promise<Owner | null> {
  try {
    return JSON.parse(await readFile(ownerFileIn(root), 'utf8')) as Owner
  } catch {
    return null
  }
}

function ownerFileIn(root: string): string {
  return `${root}/owner.json`
}

function openLocked(path: string): DatabaseSync | null {
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(path, { timeout: contentionTimeoutMs })
    // Nothing is ever written, so that there must be no journal beside the file either.
    database.exec('pragma journal_mode = memory; begin exclusive')
    return database
  } catch (error) {
    database?.close()
    if (error instanceof Error && 'errcode' in error && error.errcode === sqliteBusy) {
      return null
    }
    throw embeddedError(
      'EMBEDDED_ACCESS',
      `Cannot lock ${path}: the file must be writable, on a file system with locks.`,
      error,
    )
  }
}

async function inUse(root: string): Promise<Error> {
  const owner = await readOwner(root)
  const who = owner === null ? 'Another process' : `Process ${owner.pid} on ${owner.host}`
  return embeddedError(
    'EMBEDDED_IN_USE',
    `${who} already runs the embedded PostgreSQL in ${root}. ` +
      'Stop it first, or give this process a data directory of its own, or let both use one server by DATABASE_URL.',
  )
}
