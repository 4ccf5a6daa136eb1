import { execFile } from 'node:child_process'
import { readFile, rm } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { embeddedError, isAbsent } from './embedded-error.ts'

/** A live postmaster of ours. */
export interface RunningPostmaster {
  readonly pid: number
  readonly isReady: boolean
}

const pollMs = 10
/** A fast shutdown writes a checkpoint; past this an immediate one leaves it to crash recovery. Neither loses data. */
const fastShutdownMs = 20_000
const immediateShutdownMs = 10_000

/** @returns null when no process both stands in the pid file and carries our marker: process ids are reused. */
export async function findPostmaster(data: string, marker: string): Promise<RunningPostmaster | null> {
  const pidFile = await readPidFile(data)
  if (pidFile === null || !(await commandLine(pidFile.pid)).includes(marker)) {
    return null
  }
  return pidFile
}

/**
 * Stops a postmaster that outlived its owner, or any other that is ours. Call it only with the owner lock held.
 *
 * @returns whether there was one.
 * @throws CodedError EMBEDDED_STOP_FAILED
 */
export async function stopPostmaster(data: string, marker: string): Promise<boolean> {
  const postmaster = await findPostmaster(data, marker)
  if (postmaster === null) {
    return false
  }
  const { pid } = postmaster
  const isStopped =
    (await signalAndWait(pid, marker, 'SIGINT', fastShutdownMs)) ||
    (await signalAndWait(pid, marker, 'SIGQUIT', immediateShutdownMs))
  if (!isStopped) {
    throw embeddedError(
      'EMBEDDED_STOP_FAILED',
      `PostgreSQL does not stop: end process ${pid} by hand, with kill -QUIT ${pid}`,
    )
  }
  return true
}

/**
 * Removes a pid file whose process id now belongs to somebody else, for instance after a reboot: PostgreSQL itself
 * would take any live process of its user for a server and refuse. If it may be a server that somebody started by
 * hand, the decision is left to PostgreSQL.
 */
export async function removeStalePidFile(data: string, marker: string): Promise<void> {
  const pidFile = await readPidFile(data)
  if (pidFile === null) {
    return
  }
  const command = await commandLine(pidFile.pid)
  const isOtherHookline = command.includes('cluster_name=hookline-') && !command.includes(marker)
  if (isOtherHookline || !command.includes('postgres')) {
    await rm(`${data}/postmaster.pid`, { force: true })
  }
}

async function readPidFile(data: string): Promise<RunningPostmaster | null> {
  try {
    const lines = (await readFile(`${data}/postmaster.pid`, 'utf8')).split('\n')
    const pid = Number(lines[0])
    const status = lines[7]?.trim()
    return pid > 0 ? { pid, isReady: status === 'ready' } : null
  } catch (error) {
    if (isAbsent(error)) {
      return null
    }
    throw error
  }
}

/** @returns '' for a process that is gone, or dead and not yet waited for. */
async function commandLine(pid: number): Promise<string> {
  try {
    if (process.platform === 'linux') {
      return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ')
    }
    return (await promisify(execFile)('ps', ['-ww', '-o', 'command=', '-p', String(pid)])).stdout
  } catch {
    return ''
  }
}

async function signalAndWait(pid: number, marker: string, signal: NodeJS.Signals, limitMs: number): Promise<boolean> {
  const deadline = performance.now() + limitMs
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) {
      throw embeddedError('EMBEDDED_STOP_FAILED', `May not stop PostgreSQL, process ${pid}: end it as its user.`, error)
    }
  }
  while ((await commandLine(pid)).includes(marker)) {
    if (performance.now() > deadline) {
      return false
    }
    await delay(pollMs)
  }
  return true
}
