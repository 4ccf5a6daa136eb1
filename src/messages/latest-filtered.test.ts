import { expect, test } from 'vitest'
import { newMessage } from '../../test/support/recording.ts'
import { newId } from '../kernel/ids.ts'
import { latestFiltered } from './latest-filtered.ts'
import type { StoredMessage } from './message.ts'

function message(json: object): StoredMessage {
  const body = Buffer.from(JSON.stringify(json))
  return { ...newMessage(newId('src')), body, sequence: 1 } as StoredMessage
}

test('filters that look at the same message share what was parsed of it', () => {
  const one = message({ a: { b: 1 } })
  const place = latestFiltered(one, 's').payloadAt(['a'])
  expect(place).toEqual({ b: 1 })
  expect(latestFiltered(one, 's').payloadAt(['a'])).toBe(place)
  expect(latestFiltered({ ...one }, 's').payloadAt(['a'])).not.toBe(place)
})

test('a source that was renamed meanwhile has for each the name that it began with', () => {
  const one = message({})
  expect(latestFiltered(one, 'old').attribute('source')).toContain('old')
  expect(latestFiltered(one, 'new').attribute('source')).toContain('new')
  expect(latestFiltered(one, 'old').attribute('source')).toContain('old')
})

test('of many messages, or large ones, only the latest are held', () => {
  const first = message({ a: {} })
  const place = latestFiltered(first, 's').payloadAt(['a'])
  for (let index = 0; index < 63; index += 1) latestFiltered(message({}), 's')
  expect(latestFiltered(first, 's').payloadAt(['a'])).toBe(place)
  latestFiltered(message({}), 's')
  expect(latestFiltered(first, 's').payloadAt(['a'])).not.toBe(place)
  const second = message({ a: {} })
  const other = latestFiltered(second, 's').payloadAt(['a'])
  for (let index = 0; index < 5; index += 1) latestFiltered(message({ text: 'x'.repeat(1_000_000) }), 's')
  expect(latestFiltered(second, 's').payloadAt(['a'])).not.toBe(other)
})
