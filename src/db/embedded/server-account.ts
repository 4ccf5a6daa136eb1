import { execFile, spawnSync } from 'node:child_process'
import { chown, stat } from 'node:fs/promises'
import { promisify } from 'node:util'
import { embeddedError, isAbsent } from './embedded-error.ts'

/** Whom PostgreSQL runs as; null: as ourselves. PostgreSQL refuses to run as root. */
export type ServerAccount = { readonly uid: number; readonly gid: number } | null

const rootUid = 0

/**
 * As root: the owner of the data that exist, else `postgres`, else `nobody`. As anybody else: ourselves.
 *
 * @throws CodedError EMBEDDED_ACCESS when the data belong to somebody whom we cannot become.
 */
export async function chooseAccount(dataDirectory: string): Promise<ServerAccount> {
  const self = process.getuid?.() ?? rootUid
  const owner = await ownerOf(dataDirectory)
  if (self === rootUid) {
    return owner !== null && owner.uid !== rootUid ? owner : ((await lookUp('postgres')) ?? (await requireNobody()))
  }
  if (owner !== null && owner.uid !== self) {
    throw embeddedError(
      'EMBEDDED_ACCESS',
      `${dataDirectory} belongs to user ${owner.uid}, and this process runs as user ${self}. ` +
        `Run it as user ${owner.uid}, or give the data away as root: chown -R ${self} ${dataDirectory}`,
    )
  }
  return null
}

/** Hands a file or directory that we made to the account. */
export async function give(account: ServerAccount, path: string): Promise<void> {
  if (account !== null) {
    await chown(path, account.uid, account.gid)
  }
}

/** Asks the kernel, not the mode bits: every directory on the way counts, and so do access control lists. */
export function canEnter(account: ServerAccount, directory: string): boolean {
  return succeedsAs(account, 'cd -- "$1"', directory)
}

export function canExecute(account: ServerAccount, file: string): boolean {
  return succeedsAs(account, 'test -r "$1" && test -x "$1"', file)
}

function succeedsAs(account: ServerAccount, script: string, argument: string): boolean {
  const result = spawnSync('/bin/sh', ['-c', script, 'sh', argument], { ...account, cwd: '/', stdio: 'ignore' })
  return result.status === 0
}

async function ownerOf(path: string): Promise<{ uid: number; gid: number } | null> {
  try {
    const { uid, gid } = await stat(path)
    return { uid, gid }
  } catch (error) {
    if (isAbsent(error)) {
      return null
    }
    throw embeddedError('EMBEDDED_ACCESS', `Cannot look at ${path}: make it accessible to this user.`, error)
  }
}

async function requireNobody(): Promise<ServerAccount> {
  const nobody = await lookUp('nobody')
  if (nobody === null) {
    throw embeddedError(
      'EMBEDDED_ACCESS',
      'PostgreSQL does not run as root, and there is neither a user postgres nor a user nobody. ' +
        'Run this process as an ordinary user, or use a server of your own by DATABASE_URL.',
    )
  }
  return nobody
}

async function lookUp(name: string): Promise<{ uid: number; gid: number } | null> {
  const run = promisify(execFile)
  try {
    const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])])
    return { uid: Number(uid.stdout), gid: Number(gid.stdout) }
  } catch {
    return null
  }
}
