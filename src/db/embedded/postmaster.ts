import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { serverEnvironment } from './cluster.ts'
import { embeddedError } from './embedded-error.ts'
import type { ServerAccount } from './server-account.ts'

export interface Postmaster {
  /** Settles when the server has ended, whoever ended it; never rejects. */
  readonly ended: Promise<void>
  /** Tells the watchdog to stop the server, as our death would, and keeps this process alive until it has ended. */
  release(): void
}

interface PostmasterOptions {
  readonly postgres: string
  /** The working directory: the data. */
  readonly data: string
  /** The data's name as the account sees it. */
  readonly dataArgument: string
  readonly socketDirectory: string
  readonly marker: string
  readonly account: ServerAccount
  readonly logDescriptor: number
}

/**
 * Between us and PostgreSQL stands a shell that reads a pipe from us. The pipe ends when we close it and when we die,
 * even by kill -9; then the shell's reader asks for a fast shutdown, again and again, because a server that has only
 * just been started does not listen yet. The shell itself waits for the server, so that we learn when it ends.
 * Signals meant to end a whole process group or service do not reach the shell: stopping is for us to say.
 */
const watchdog = `
trap '' HUP INT TERM
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
{ read -r _ <&3; while kill -INT "$server"; do sleep 1; done; } >/dev/null 2>&1 &
reader=$!
exec 3<&-
wait "$server"
status=$?
kill -KILL "$reader"
exit "$status"
`

/** Starts the server in a session of its own, so that Ctrl-C reaches us alone and we stop it when we are done. */
export async function spawnPostmaster(options: PostmasterOptions): Promise<Postmaster> {
  const child = spawn('/bin/sh', ['-c', watchdog, 'sh', options.postgres, ...serverArguments(options)], {
    ...options.account,
    cwd: options.data,
    env: serverEnvironment,
    detached: true,
    stdio: ['pipe', options.logDescriptor, options.logDescriptor],
  })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  try {
    await once(child, 'spawn')
  } catch (error) {
    throw embeddedError('EMBEDDED_START_FAILED', 'Cannot start /bin/sh to watch over PostgreSQL.', error)
  }
  keepFromHoldingUs(child)
  return { ended, release: () => release(child) }
}

/**
 * What must hold for every start stands here and not in postgresql.conf: nobody but us connects, and what was
 * committed is on the disk.
 */
function serverArguments({ dataArgument, socketDirectory, marker }: PostmasterOptions): string[] {
  const settings = [
    `cluster_name=${marker}`,
    'listen_addresses=',
    'port=5432',
    `unix_socket_directories=${socketDirectory}`,
    'unix_socket_permissions=0700',
    'fsync=on',
    'full_page_writes=on',
    'synchronous_commit=on',
    'log_destination=stderr',
    'logging_collector=off',
  ]
  return ['-D', dataArgument, ...settings.flatMap((setting) => ['-c', setting])]
}

/** A process that has nothing else to do may end without a stop; the watchdog sees to the server. */
function keepFromHoldingUs(child: ChildProcess): void {
  child.unref()
  if (child.stdin !== null && 'unref' in child.stdin && typeof child.stdin.unref === 'function') {
    child.stdin.unref()
  }
  // Breaks when the server ends by itself, of which `ended` tells.
  child.stdin?.on('error', () => {})
}

function release(child: ChildProcess): void {
  child.ref()
  child.stdin?.destroy()
}
