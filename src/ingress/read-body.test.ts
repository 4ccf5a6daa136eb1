import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { newId } from '../kernel/ids.ts'
import { createBodyBudget, readBody } from './read-body.ts'

const sourceId = newId('src')
const otherId = newId('src')

test('a body is read whole, and what it took can be given back', async () => {
  const budget = createBodyBudget(40)
  const stream = new PassThrough()
  const reading = readBody(stream, { sourceId, maxBytes: 10, budget })
  stream.write('hello')
  stream.end('world')
  expect(await reading).toEqual({ kind: 'read', body: Buffer.from('helloworld') })
  expect(budget.take(sourceId, 1)).toBe(false)
  budget.give(sourceId, 10)
  expect(budget.take(sourceId, 10)).toBe(true)
})

test.each([
  ['is over the limit', 'too-large', 4, (stream: PassThrough) => stream.write('hello')],
  ['is broken off', 'aborted', 10, (stream: PassThrough) => stream.destroy()],
  ['fails', 'aborted', 10, (stream: PassThrough) => stream.destroy(new Error('reset'))],
])('a body that %s keeps nothing of the budget', async (_, kind, maxBytes, end) => {
  const budget = createBodyBudget(10)
  const stream = new PassThrough()
  const reading = readBody(stream, { sourceId, maxBytes, budget })
  stream.write('he')
  end(stream)
  expect((await reading).kind).toBe(kind)
  expect(budget.take(otherId, 10)).toBe(true)
})

test('a sender that was gone before its body was asked for is not waited for', async () => {
  const stream = new PassThrough()
  stream.destroy()
  expect((await readBody(stream, { sourceId, maxBytes: 10, budget: createBodyBudget(10) })).kind).toBe('aborted')
})

test('without room in the budget a body is refused, unless it is the only one', async () => {
  const budget = createBodyBudget(4)
  const large = new PassThrough()
  large.end('hello')
  expect((await readBody(large, { sourceId, maxBytes: 10, budget })).kind).toBe('read')
  const other = new PassThrough()
  other.end('x')
  expect((await readBody(other, { sourceId: otherId, maxBytes: 10, budget })).kind).toBe('no-room')
})

test('one source holds a quarter of the budget at most, and the others find room', () => {
  const budget = createBodyBudget(100)
  expect(budget.take(sourceId, 20)).toBe(true)
  expect(budget.take(sourceId, 6)).toBe(false)
  expect(budget.take(otherId, 25)).toBe(true)
  budget.give(sourceId, 20)
  expect(budget.take(sourceId, 25)).toBe(true)
})
