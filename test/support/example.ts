import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { compileCache } from './compile-cache.ts'

/** A program of `examples/` as a process of its own. */
export interface Example {
  /** The lines that it printed. */
  lines(): string[]
  /** @returns the exit code, when it ends by itself. */
  ended(): Promise<number | null>
  /** Kills it, unless told to end it politely. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

/** @param file its place in `examples/`. @param environment all that it sees besides PATH. */
export function startExample(file: string, args: readonly string[], environment: Record<string, string>): Example {
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../examples', file), ...args], {
    env: { PATH: process.env.PATH, ...compileCache, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  // At its close all that it printed has come.
  const closed = once(child, 'close').then(([code]) => code as number | null)
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  return {
    lines: () => output.split('\n').filter((line) => line !== ''),
    ended: () => closed,
    async stop(signal = 'SIGKILL') {
      child.kill(signal)
      return await closed
    },
  }
}
