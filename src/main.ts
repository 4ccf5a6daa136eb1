#!/usr/bin/env node
import { runCli } from './cli/run-cli.ts'
import { readEnvironment } from './config/index.ts'

// A reader that has seen enough, such as `head`, is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})

process.exitCode = await runCli(process.argv.slice(2), {
  environment: readEnvironment(),
  loadApp: () => import('./app.ts'),
  print: (text) => process.stdout.write(`${text}\n`),
  printError: (text) => process.stderr.write(`${text}\n`),
  isTerminal: process.stderr.isTTY === true,
  ...(process.stdout.isTTY === true
    ? { terminal: { columns: () => process.stdout.columns, write: (text: string) => process.stdout.write(text) } }
    : {}),
})

// Everything is closed by now; a handle that was forgotten must not keep a stopped process alive.
setTimeout(() => process.exit(), 1_000).unref()
