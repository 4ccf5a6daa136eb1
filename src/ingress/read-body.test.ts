import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { createBodyBudget, readBody } from './read-body.ts'

test('a body is read whole, and what it took can be given back', async () => {
  const budget = createBodyBudget(10)
  const stream = new PassThrough()
  const reading = readBody(stream, 10, budget)
  stream.write('hello')
  stream.end('world')
  expect(await reading).toEqual({ kind: 'read', body: Buffer.from('helloworld') })
  expect(budget.take(1)).toBe(false)
  budget.give(10)
  expect(budget.take(10)).toBe(true)
})

test.each([
  ['is over the limit', 'too-large', 4, (stream: PassThrough) => stream.write('hello')],
  ['is broken off', 'aborted', 10, (stream: PassThrough) => stream.destroy()],
  ['fails', 'aborted', 10, (stream: PassThrough) => stream.destroy(new Error('reset'))],
])('a body that %s keeps nothing of the budget', async (_, kind, maxBytes, end) => {
  const budget = createBodyBudget(10)
  const stream = new PassThrough()
  const reading = readBody(stream, maxBytes, budget)
  stream.write('he')
  end(stream)
  expect(await reading).toEqual({ kind })
  expect(budget.take(10)).toBe(true)
})

test('a sender that was gone before its body was asked for is not waited for', async () => {
  const stream = new PassThrough()
  stream.destroy()
  expect(await readBody(stream, 10, createBodyBudget(10))).toEqual({ kind: 'aborted' })
})

test('without room in the budget a body is refused, unless it is the only one', async () => {
  const budget = createBodyBudget(4)
  const large = new PassThrough()
  large.end('hello')
  expect((await readBody(large, 10, budget)).kind).toBe('read')
  const other = new PassThrough()
  other.end('x')
  expect((await readBody(other, 10, budget)).kind).toBe('no-room')
})
