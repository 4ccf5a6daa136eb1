import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Environment } from '../config/index.ts'
import { type CliContext, type CommandOption, Failure, UsageError } from './command.ts'

/** A gateway, and the key to it. */
export interface Login {
  /** Without a slash at the end. */
  readonly url: string
  readonly key: string
}

export const defaultUrl = 'http://localhost:8787'

/** The options of every command that talks to a running gateway. */
export const loginOptions = {
  url: { value: '<url>', description: `The gateway. Default: HOOKLINE_URL, the saved login, ${defaultUrl}.` },
  key: { value: '<hk_…>', description: 'API key. Default: HOOKLINE_KEY, then the saved login.' },
} as const satisfies Record<string, CommandOption>

/** The file that `hookline login` writes. */
export function credentialsFile(environment: Environment): string {
  const configHome = environment.XDG_CONFIG_HOME || join(environment.HOME || homedir(), '.config')
  return join(configHome, 'hookline', 'credentials.json')
}

/** Readable by its owner alone, from its first byte on. */
export async function saveLogin(file: string, login: Login): Promise<void> {
  const draft = `${file}.${process.pid}`
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 })
    await writeFile(draft, `${JSON.stringify(login, null, 2)}\n`, { mode: 0o600 })
    await chmod(draft, 0o600)
    await rename(draft, file)
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined)
    throw new Failure(`${file} cannot be written: ${error instanceof Error ? error.message : error}`)
  }
}

/** @returns null when nobody has logged in. */
async function savedLogin(file: string): Promise<Login | null> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw new Failure(`${file} cannot be read: ${error.message}`)
  })
  const login = text === null ? null : parseLogin(text)
  if (login === undefined) throw new Failure(`${file} is damaged. Log in again, or delete it.`)
  return login
}

/**
 * The gateway and the key that a command is to use: from its options, the environment, the saved login, in this order. A
 * saved key is shown to no other gateway than the one that it was saved for.
 *
 * @throws UsageError for a malformed address; Failure when there is no key.
 */
export async function resolveLogin(
  options: { readonly url?: string | undefined; readonly key?: string | undefined },
  { environment }: Pick<CliContext, 'environment'>,
  commandName: string,
): Promise<Login> {
  const saved = await savedLogin(credentialsFile(environment))
  const url = parseUrl(options.url ?? (environment.HOOKLINE_URL || (saved?.url ?? defaultUrl)), commandName)
  const given = options.key ?? (environment.HOOKLINE_KEY || null)
  if (given !== null) return { url, key: checkedKey(given, commandName) }
  if (saved === null) throw new Failure('There is no API key. Pass --key, set HOOKLINE_KEY, or run "hookline login".')
  if (saved.url === url) return saved
  throw new Failure(`The saved login is one to ${saved.url}, not to ${url}. Pass --key, or log in there.`)
}

/** @throws UsageError unless it is an address of HTTP without more than a path. */
export function parseUrl(text: string, commandName: string): string {
  const url = /^https?:\/\//i.test(text) ? URL.parse(text) : null
  if (url === null || url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '') {
    throw new UsageError(`"${text}" is no address of a gateway, such as ${defaultUrl}`, commandName)
  }
  return url.href.replace(/\/+$/, '')
}

/** @throws UsageError for what cannot stand in a header. */
export function checkedKey(text: string, commandName: string): string {
  if (/^[\x21-\x7e]+$/.test(text)) return text
  throw new UsageError('the key holds spaces or other characters that no key has', commandName)
}

/** @returns undefined when it is none. */
function parseLogin(text: string): Login | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || !('url' in value) || !('key' in value)) return undefined
    const { url, key } = value
    return typeof url === 'string' && typeof key === 'string' ? { url, key } : undefined
  } catch {
    return undefined
  }
}
