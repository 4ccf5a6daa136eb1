import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { claimOfEvent, claimOfKey } from './claim.ts'

const sha256 = (text: string) => createHash('sha256').update(text).digest()
const source = { duplicateWindowMs: 1_000 }
const event = (id: string | null, eventSource: string | null = null) => ({
  id,
  source: eventSource,
  isIdOfSource: eventSource !== null,
})

test('a key is claimed for a day, together with the body that it came with', () => {
  const claim = claimOfKey('k', { method: 'POST', query: 'a=1', body: Buffer.from('x') })
  expect(claim).toEqual({ key: 'key:k', bodyHash: sha256('x'), windowMs: 86_400_000 })
})

test('what a GET comes with is its query', () => {
  const hashOf = (query: string | null) => claimOfKey('k', { method: 'GET', query, body: Buffer.alloc(0) }).bodyHash
  expect(hashOf('a=1')).toEqual(sha256('a=1'))
  expect(hashOf(null)).toEqual(sha256(''))
})

test("an event's id is claimed for the source's window, together with the event's source where it has one", () => {
  expect(claimOfEvent(source, event('1'))).toEqual({ key: 'event:1', bodyHash: null, windowMs: 1_000 })
  expect(claimOfEvent(source, event('1', '/shop'))?.key).toBe('event:/shop 1')
})

test('without an id or without a window nothing is claimed', () => {
  expect(claimOfEvent(source, event(null))).toBeNull()
  expect(claimOfEvent({ duplicateWindowMs: 0 }, event('1'))).toBeNull()
})

test('long names are told apart and stay within what an index takes', () => {
  const keys = ['a', 'b'].map((end) => claimOfEvent(source, event(`${'i'.repeat(1_023)}${end}`, '/shop'))?.key ?? '')
  expect(new Set(keys).size).toBe(2)
  for (const key of keys) expect(key.length).toBeLessThan(300)
  expect(claimOfEvent(source, event('i'.repeat(256)))?.key).toBe(`event:${'i'.repeat(256)}`)
})
