import { afterEach, expect, test } from 'vitest'
import type { SchemaJob } from './schema-checker.ts'
import { createSchemaThread, type SchemaThreadOptions } from './schema-thread.ts'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

function newThread(options: SchemaThreadOptions = {}) {
  const thread = createSchemaThread(options)
  closers.push(() => thread.close())
  return thread
}

let schemas = 0
/** A check against a schema of its own, so that nothing is remembered from another. */
function checkOf(schema: unknown, data: unknown): SchemaJob {
  schemas += 1
  return { kind: 'check', key: `${schemas}`, schema: JSON.stringify(schema), data: Buffer.from(JSON.stringify(data)) }
}

const backtracking = () => checkOf({ pattern: '(a+)+$' }, `${'a'.repeat(40)}b`)
const innocent = () => checkOf({ type: 'string' }, 'a')
const fits = { kind: 'answered', problem: null }

test('a check that never ends is ended, and harms none that run or wait beside it', async () => {
  const thread = newThread()
  const outcomes = await Promise.all([
    thread.run('a', innocent()),
    thread.run('a', backtracking()),
    ...Array.from({ length: 40 }, () => thread.run('b', innocent())),
    thread.run('a', backtracking()),
    thread.run('b', innocent()),
  ])
  expect(outcomes).toEqual([
    fits,
    { kind: 'too-long' },
    ...Array.from({ length: 40 }, () => fits),
    { kind: 'too-long' },
    fits,
  ])
})

test('references that multiply end by the time limit', async () => {
  const $defs: Record<string, unknown> = { d40: { type: 'string' } }
  for (let level = 39; level >= 0; level -= 1) {
    const $ref = `#/$defs/d${level + 1}`
    $defs[`d${level}`] = { allOf: [{ $ref }, { $ref }] }
  }
  const thread = newThread()
  expect(await thread.run('a', checkOf({ $defs, $ref: '#/$defs/d0' }, 'a'))).toEqual({ kind: 'too-long' })
})

test('a check that takes all memory ends as crashed, and harms none beside it', async () => {
  const thread = newThread({ limitMs: 20_000, maxHeapMb: 32 })
  const data = Buffer.from(`[${'[],'.repeat(2_000_000)}[]]`)
  const hungry: SchemaJob = { kind: 'check', key: 'hungry', schema: 'true', data }
  const outcomes = await Promise.all([innocent(), hungry, innocent()].map((job) => thread.run('a', job)))
  expect(outcomes).toEqual([fits, { kind: 'crashed' }, fits])
})

test('data that nests deeper than a call stack is a violation', async () => {
  const thread = newThread()
  const schema = JSON.stringify({ items: { $ref: '#' } })
  const data = Buffer.from('['.repeat(200_000) + ']'.repeat(200_000))
  const outcome = await thread.run('a', { kind: 'check', key: 'deep', schema, data })
  expect(outcome).toEqual({
    kind: 'answered',
    problem: 'the data cannot be checked: it nests, or refers to itself, too deep',
  })
})

test('who was slow is told, so that it can wait elsewhere', async () => {
  const told: string[] = []
  const thread = newThread({ onSlow: (owner) => told.push(owner) })
  await Promise.all([thread.run('slow', backtracking()), thread.run('fast', innocent())])
  expect(told).toEqual(['slow'])
})

test('a closed thread runs nothing', async () => {
  const thread = newThread()
  const waiting = thread.run('a', innocent())
  await thread.close()
  expect(await waiting).toEqual({ kind: 'not-run', error: null })
  expect(await thread.run('a', innocent())).toEqual({ kind: 'not-run', error: null })
})

test('no more than 10,000 checks wait', async () => {
  const thread = newThread()
  const outcomes = Array.from({ length: 10_020 }, () => thread.run('a', innocent()))
  const kinds = Object.groupBy(await Promise.all(outcomes), ({ kind }) => kind)
  expect([kinds.answered?.length, kinds['not-run']?.length]).toEqual([10_000, 20])
})
