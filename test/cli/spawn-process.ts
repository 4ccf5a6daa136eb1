import { type ChildProcess, spawn } from 'node:child_process'
import { onTestFinished } from 'vitest'
import { compileCache } from '../support/compile-cache.ts'

export interface SpawnedProcess {
  readonly child: ChildProcess
  readonly output: () => string
  readonly errors: () => string
  /** Waits until standard output holds this text. */
  prints(text: string): Promise<void>
  /** Waits until standard error, where the log goes, holds this text. */
  logs(text: string): Promise<void>
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
}

/** Runs a file of this repository with Node. It is killed when the test ends. */
export function spawnProcess(
  file: string,
  args: readonly string[] = [],
  environment: Record<string, string> = {},
): SpawnedProcess {
  const child = spawn(process.execPath, [file, ...args], {
    env: { PATH: process.env.PATH ?? '', ...compileCache, ...environment },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let output = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    errors += text
  })
  child.stdin.on('error', () => {})
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) =>
    child.on('close', (code, signal) => resolve({ code, signal })),
  )
  onTestFinished(() => void child.kill('SIGKILL'))
  async function waitFor(text: string, stream: () => string): Promise<void> {
    while (!stream().includes(text)) {
      if (child.exitCode !== null) throw new Error(`ended without printing ${text}: ${output}${errors}`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  const [readOutput, readErrors] = [() => output, () => errors]
  return {
    child,
    output: readOutput,
    errors: readErrors,
    prints: (text) => waitFor(text, readOutput),
    logs: (text) => waitFor(text, readErrors),
    exited,
  }
}
