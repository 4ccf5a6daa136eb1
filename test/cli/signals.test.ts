import { expect, test } from 'vitest'
import { spawnProcess } from './spawn-process.ts'

const gateway = 'test/cli/scripted-gateway.ts'

test.each(['SIGTERM', 'SIGINT'] as const)('%s drains, then the process ends with 0', async (signal) => {
  const { child, exited, prints, output, errors } = spawnProcess(gateway, ['serve'])
  await prints('is ready')
  child.kill(signal)
  expect(await exited).toEqual({ code: 0, signal: null })
  expect(output()).toMatch(/starting\n.*is ready.*draining\ndrained\n$/s)
  expect(errors()).toContain(`"signal":"${signal}"`)
})

test.each([
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const)('a second %s ends the process at once with %i', async (signal, code) => {
  const { child, exited, prints } = spawnProcess(gateway, [], { SCRIPT: 'stop-never' })
  await prints('is ready')
  child.kill(signal)
  await prints('draining')
  child.kill(signal)
  expect(await exited).toEqual({ code, signal: null })
})

test('a signal in the middle of the start lets it end, and stops then', async () => {
  const { child, exited, prints, logs, output } = spawnProcess(gateway, [], { SCRIPT: 'start-slowly' })
  await prints('starting')
  child.kill('SIGTERM')
  await logs('as soon as the start has ended')
  child.stdin?.write('go on\n')
  expect(await exited).toEqual({ code: 0, signal: null })
  expect(output()).toBe('starting\ndraining\ndrained\n')
})

test('a signal in the middle of the first start does not swallow the admin key', async () => {
  const first = { SCRIPT: 'start-slowly', FIRST_ADMIN_TOKEN: 'hk_told_once' }
  const { child, exited, prints, logs, output } = spawnProcess(gateway, [], first)
  await prints('starting')
  child.kill('SIGINT')
  await logs('as soon as the start has ended')
  child.stdin?.write('go on\n')
  expect(await exited).toEqual({ code: 0, signal: null })
  expect(output()).toMatch(/Admin key +hk_told_once .*drained\n$/s)
})

test.each([
  ['start-never', 'starting', 'The start'],
  ['stop-never', 'is ready', 'The stop'],
])('after a signal, %s does not keep the process', async (script, line, what) => {
  const { child, exited, prints, errors } = spawnProcess(gateway, [], { SCRIPT: script, SHUTDOWN_TIMEOUT_MS: '0' })
  await prints(line)
  child.kill('SIGTERM')
  expect(await exited).toEqual({ code: 1, signal: null })
  expect(errors()).toContain(`hookline: ${what} took longer than 1500 ms`)
})

test.each([
  ['crash', 'uncaughtException'],
  ['reject', 'unhandledRejection'],
])('a bug that nobody caught (%s) is logged and ends the process with 1', async (script, origin) => {
  const { exited, errors } = spawnProcess(gateway, [], { SCRIPT: script })
  expect(await exited).toEqual({ code: 1, signal: null })
  const lines = errors().trim().split('\n')
  expect(lines).toHaveLength(1)
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 'fatal', origin, err: { message: 'bug' } })
})

test('a refused start is one sentence and exit code 1; LOG_LEVEL=debug adds the stack', async () => {
  const short = spawnProcess(gateway, [], { SCRIPT: 'refuse' })
  expect(await short.exited).toEqual({ code: 1, signal: null })
  expect(short.errors()).toBe('hookline: Port 1 is in use. Set PORT.\n')
  const long = spawnProcess(gateway, [], { SCRIPT: 'refuse', LOG_LEVEL: 'debug' })
  expect(await long.exited).toEqual({ code: 1, signal: null })
  expect(long.errors()).toContain('scripted-gateway.ts')
})

test('the program itself answers --version and --help without starting anything', async () => {
  const version = spawnProcess('src/main.ts', ['--version'])
  expect(await version.exited).toEqual({ code: 0, signal: null })
  expect(version.output()).toMatch(/^\d+\.\d+\.\d+\n$/)
  const help = spawnProcess('src/main.ts', ['--help'])
  expect(await help.exited).toEqual({ code: 0, signal: null })
  expect(help.output()).toContain('DATABASE_URL')
  const wrong = spawnProcess('src/main.ts', ['sevre'])
  expect(await wrong.exited).toEqual({ code: 2, signal: null })
  expect(wrong.errors()).toBe('hookline: there is no command "sevre". Try: hookline --help\n')
})

test('mistakes in the environment are all told before anything starts', async () => {
  const { exited, errors } = spawnProcess('src/main.ts', [], { PORT: 'x', ROLE: 'y' })
  expect(await exited).toEqual({ code: 1, signal: null })
  expect(errors()).toBe(
    'hookline: ROLE is "y": expected one of all, api, worker\n' +
      'PORT is "x": expected a whole number from 0 to 65535\n' +
      '"hookline --help" lists all variables.\n',
  )
})
