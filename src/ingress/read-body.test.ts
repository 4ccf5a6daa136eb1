import { PassThrough } from 'node:stream'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { newId } from '../kernel/ids.ts'
import { createBodyBudget, readBody } from './read-body.ts'

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

const source = { id: newId('src'), projectId: newId('prj') }
const other = { id: newId('src'), projectId: newId('prj') }

test('a body is read whole, and what it took can be given back', async () => {
  const budget = createBodyBudget(40)
  const stream = new PassThrough()
  const reading = readBody(stream, { source, maxBytes: 10, budget })
  stream.write('hello')
  stream.end('world')
  expect(await reading).toEqual({ kind: 'read', body: Buffer.from('helloworld') })
  expect(budget.take(source, 1)).toBe(false)
  budget.give(source, 10)
  expect(budget.take(source, 10)).toBe(true)
})

test('a body in the smallest chunks costs hardly more memory than its bytes', async () => {
  const bytes = 300_000
  const budget = createBodyBudget(bytes * 4)
  const stream = new PassThrough()
  const reading = readBody(stream, { source, maxBytes: bytes, budget })
  // Each on its own memory, as the HTTP parser gives them; the garbage of earlier ones may be collected meanwhile.
  const made: WeakRef<Buffer>[] = []
  for (let count = 0; count < bytes; count += 1) {
    const chunk = Buffer.alloc(1, count % 256)
    if (count % 1_000 === 0) made.push(new WeakRef(chunk))
    stream.write(chunk)
    if (count % 10_000 === 0) await new Promise(setImmediate)
  }
  collectGarbage()
  expect(made.filter((reference) => reference.deref() !== undefined).length).toBeLessThan(10)
  stream.end()
  expect(await reading).toEqual({ kind: 'read', body: Buffer.from(Array.from({ length: bytes }, (_, at) => at % 256)) })
})

test.each([
  ['is over the limit', 'too-large', 4, (stream: PassThrough) => stream.write('hello')],
  ['is broken off', 'aborted', 10, (stream: PassThrough) => stream.destroy()],
  ['fails', 'aborted', 10, (stream: PassThrough) => stream.destroy(new Error('reset'))],
])('a body that %s keeps nothing of the budget', async (_, kind, maxBytes, end) => {
  const budget = createBodyBudget(10)
  const stream = new PassThrough()
  const reading = readBody(stream, { source, maxBytes, budget })
  stream.write('he')
  end(stream)
  expect((await reading).kind).toBe(kind)
  expect(budget.take(other, 10)).toBe(true)
})

test('a sender that was gone before its body was asked for is not waited for', async () => {
  const stream = new PassThrough()
  stream.destroy()
  expect((await readBody(stream, { source, maxBytes: 10, budget: createBodyBudget(10) })).kind).toBe('aborted')
})

test('without room in the budget a body is refused, unless it is the only one', async () => {
  const budget = createBodyBudget(4)
  const large = new PassThrough()
  large.end('hello')
  expect((await readBody(large, { source, maxBytes: 10, budget })).kind).toBe('read')
  const late = new PassThrough()
  late.end('x')
  expect((await readBody(late, { source: other, maxBytes: 10, budget })).kind).toBe('no-room')
})

test('one source holds a quarter of the budget at most, and the others find room', () => {
  const budget = createBodyBudget(100)
  expect(budget.take(source, 20)).toBe(true)
  expect(budget.take(source, 6)).toBe(false)
  expect(budget.take(other, 25)).toBe(true)
  budget.give(source, 20)
  expect(budget.take(source, 25)).toBe(true)
})

test('one project holds half of the budget at most, over however many sources, and the others find room', () => {
  const budget = createBodyBudget(100)
  const siblings = Array.from({ length: 4 }, () => ({ ...source, id: newId('src') }))
  expect(siblings.map((sibling) => budget.take(sibling, 20))).toEqual([true, true, false, false])
  expect(budget.take(other, 25)).toBe(true)
  for (const sibling of siblings.slice(0, 2)) budget.give(sibling, 20)
  expect(siblings.map((sibling) => budget.take(sibling, 20))).toEqual([true, true, false, false])
})
