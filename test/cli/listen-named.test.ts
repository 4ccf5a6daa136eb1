import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { type ListenWorld, linesOf, send, startListenWorld, startLocalServer } from './listen-world.ts'

let world: ListenWorld

beforeAll(async () => {
  world = await startListenWorld()
})
afterAll(() => world.close())

const countTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1)

test('--name goes on where the run before ended, also after both were gone', async () => {
  const source = await world.createSource('resumed')
  const first = source.listen(['--name', 'laptop', '--json', '--exit-after', '3'])
  await first.logs('Listening')
  for (const number of countTo(5)) await send(source.ingressUrl, { body: String(number) })
  expect(await first.exited).toEqual({ code: 0, signal: null })
  await world.stop('SIGKILL')
  await world.start()
  await send(source.ingressUrl, { body: '6' })
  const second = source.listen(['--name', 'laptop', '--json'])
  await until(() => linesOf(second).length, 3)
  second.child.kill('SIGINT')
  expect(await second.exited).toEqual({ code: 0, signal: null })
  const third = source.listen(['--name', 'laptop', '--json', '--exit-after', '1'])
  await third.logs('Listening')
  await send(source.ingressUrl, { body: '7' })
  expect(await third.exited).toEqual({ code: 0, signal: null })
  const sequences = [first, second, third].map((run) => linesOf(run).map(({ sequence }) => sequence))
  expect(sequences).toEqual([[1, 2, 3], [4, 5, 6], [7]])
})

test('with --name, too, nothing is lost or twice when the gateway is killed while messages come', async () => {
  const source = await world.createSource('named-kill')
  const listener = source.listen(['--name', 'killed', '--json', '--exit-after', '40'])
  await listener.logs('Listening')
  for (const number of countTo(20)) await send(source.ingressUrl, { body: String(number) })
  await until(() => linesOf(listener).length > 5, true)
  await world.stop('SIGKILL')
  await world.start()
  for (const number of countTo(20)) await send(source.ingressUrl, { body: String(20 + number) })
  expect(await listener.exited).toEqual({ code: 0, signal: null })
  expect(linesOf(listener).map(({ sequence }) => sequence)).toEqual(countTo(40))
})

test('a run that is killed loses nothing: the next one begins with what it had not told to be done', async () => {
  const source = await world.createSource('run-killed')
  const first = source.listen(['--name', 'fragile', '--json'])
  await first.logs('Listening')
  for (const number of countTo(10)) await send(source.ingressUrl, { body: String(number) })
  await until(() => linesOf(first).length > 0, true)
  first.child.kill('SIGKILL')
  await first.exited
  const last = linesOf(first).at(-1)?.sequence ?? 0
  const second = source.listen(['--name', 'fragile', '--json'])
  await until(() => linesOf(second).at(-1)?.sequence, 10)
  const seen = linesOf(second).map(({ sequence }) => sequence)
  expect(seen[0]).toBeLessThanOrEqual(last + 1)
  expect(seen).toEqual(countTo(10).slice((seen[0] ?? 0) - 1))
})

test('a message that was given up by Ctrl-C comes to the next run', async () => {
  const source = await world.createSource('given-up')
  const server = await startLocalServer(() => undefined)
  const first = source.listen(['--name', 'patient', '--forward', server.url])
  await first.logs('Listening')
  await send(source.ingressUrl, { body: '1' })
  await until(() => server.requests.length, 1)
  first.child.kill('SIGINT')
  expect(await first.exited).toEqual({ code: 0, signal: null })
  const second = source.listen(['--name', 'patient', '--json', '--exit-after', '1'])
  expect(await second.exited).toEqual({ code: 0, signal: null })
  expect(linesOf(second).map(({ text }) => text)).toEqual(['1'])
})

test('a reader that has seen enough leaves the rest of a backlog to the next run', async () => {
  const source = await world.createSource('head')
  for (const number of countTo(200)) await send(source.ingressUrl, { body: String(number) })
  const first = source.listen(['--name', 'short', '--json', '--since', '1h'])
  await first.prints('"sequence":1,')
  first.child.stdout?.destroy()
  expect(await first.exited).toEqual({ code: 0, signal: null })
  const read = linesOf(first).length
  const second = source.listen(['--name', 'short', '--json'])
  await until(() => linesOf(second).at(-1)?.sequence, 200)
  expect(linesOf(second)[0]?.sequence).toBeLessThanOrEqual(read + 1)
})

test('of two runs with one name the newer goes on, and the older is told', async () => {
  const source = await world.createSource('taken')
  const older = source.listen(['--name', 'desk'])
  await older.logs('Listening')
  const newer = source.listen(['--name', 'desk'])
  await newer.logs('Listening')
  expect(await older.exited).toEqual({ code: 1, signal: null })
  expect(older.errors()).toContain('taken the listener')
  await send(source.ingressUrl)
  await newer.prints('webhook')
})

test('a name that reads another source is refused in one sentence', async () => {
  const here = await world.createSource('here')
  const there = await world.createSource('there')
  const first = here.listen(['--name', 'busy'])
  await first.logs('Listening')
  const second = there.listen(['--name', 'busy'])
  expect(await second.exited).toEqual({ code: 1, signal: null })
  expect(second.errors()).toBe(
    'hookline: The listener "busy" reads the source here, not there. Choose another --name.\n',
  )
})
