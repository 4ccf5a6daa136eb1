import { chmod, lstat, mkdir, realpath, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { embeddedError, isAbsent } from './embedded-error.ts'
import { canEnter, give, type ServerAccount } from './server-account.ts'

/** `<dataDir>/postgres`, which holds everything that lasts. */
export interface Root {
  /** Real path. */
  readonly path: string
  /** Part of our postmaster's command line: recognises it among all processes, under whatever path it was started. */
  readonly marker: string
}

/** Where a server keeps what does not outlive it. */
export interface RuntimePlaces {
  /** Only the server's account, and root, may enter. */
  readonly socketDirectory: string
  /** Where a copy of the binaries goes, should one be needed. */
  readonly copyDirectory: string
  /** Whether the account can walk to the data; if not, it is put there, see `serverDirectory`. */
  readonly isReachable: boolean
}

/** The kernel takes 108 bytes on Linux, 104 on macOS, with a final NUL. */
const maxSocketPathBytes = 100
const socketFile = '/.s.PGSQL.5432'

export async function prepareRoot(dataDir: string): Promise<Root> {
  const path = rootPath(dataDir)
  // Root's directories stay open to be passed through, since the server is somebody else; the data inside are 0700.
  const mode = process.getuid?.() === 0 ? 0o711 : 0o700
  try {
    await mkdir(path, { recursive: true, mode })
    return await describeRoot(path)
  } catch (error) {
    throw embeddedError('EMBEDDED_ACCESS', `Cannot make ${path}: let this user write to ${dataDir}.`, error)
  }
}

/** @returns null when nothing has ever been started there. */
export async function findRoot(dataDir: string): Promise<Root | null> {
  try {
    return await describeRoot(rootPath(dataDir))
  } catch (error) {
    if (isAbsent(error)) {
      return null
    }
    throw error
  }
}

function rootPath(dataDir: string): string {
  return join(dataDir, 'postgres')
}

async function describeRoot(path: string): Promise<Root> {
  const { dev, ino } = await stat(path, { bigint: true })
  return { path: await realpath(path), marker: `hookline-${dev.toString(36)}-${ino.toString(36)}` }
}

export async function prepareRuntimePlaces(root: Root, account: ServerAccount): Promise<RuntimePlaces> {
  const isReachable = canEnter(account, root.path)
  if (!isReachable && process.platform !== 'linux') {
    throw unreachable(root.path)
  }
  const beside = `${root.path}/socket`
  const isUsable = isReachable && fitsSocket(beside)
  const socketDirectory = isUsable ? beside : `${temporaryParent(account)}/${root.marker}`
  await makeEmpty(socketDirectory, account)
  return { socketDirectory, copyDirectory: isReachable ? root.path : socketDirectory, isReachable }
}

/** Removes what lies outside of the data directory. */
export async function removeRuntimePlaces(places: RuntimePlaces): Promise<void> {
  await rm(places.socketDirectory, { recursive: true, force: true })
}

/**
 * The name under which a server program finds a directory that is also its working directory.
 *
 * Started by root under, say, `/root`, the account cannot walk to the data. It need not: the working directory is
 * entered before the account changes, and `/proc/self/cwd` leads there without walking. So nobody has to open up a
 * home directory. Only Linux has this.
 */
export function serverDirectory(places: RuntimePlaces, directory: string): string {
  return places.isReachable ? directory : '/proc/self/cwd'
}

function fitsSocket(directory: string): boolean {
  // PostgreSQL reads a list here, so that commas and quotes would need quoting.
  return /^[\w/.-]+$/.test(directory) && Buffer.byteLength(directory + socketFile) <= maxSocketPathBytes
}

function temporaryParent(account: ServerAccount): string {
  const longestName = '/hookline-0000000000000-0000000000000'
  const parent = [tmpdir(), '/tmp'].find((each) => fitsSocket(each + longestName) && canEnter(account, each))
  if (parent === undefined) {
    throw unreachable(tmpdir())
  }
  return parent
}

/** The name in the temporary directory can be foreseen, so that what stands there must be a directory of our own. */
async function makeEmpty(directory: string, account: ServerAccount): Promise<void> {
  const present = await lstat(directory).catch(() => null)
  const ours = [process.getuid?.(), account?.uid]
  if (present !== null && !(present.isDirectory() && ours.includes(present.uid))) {
    throw embeddedError('EMBEDDED_ACCESS', `${directory} belongs to somebody else: remove it as its owner or as root.`)
  }
  await rm(directory, { recursive: true, force: true })
  await mkdir(directory, { mode: 0o700 })
  await chmod(directory, 0o700)
  await give(account, directory)
}

function unreachable(path: string): Error {
  return embeddedError(
    'EMBEDDED_ACCESS',
    `PostgreSQL does not run as root, and the user it runs as cannot enter ${path}. ` +
      'Run this process as an ordinary user, or choose a data directory that others may pass through, such as one under /var/lib.',
  )
}
