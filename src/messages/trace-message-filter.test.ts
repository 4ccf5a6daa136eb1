import { expect, test } from 'vitest'
import { newMessage } from '../../test/support/recording.ts'
import { newId } from '../kernel/ids.ts'
import { type FilterableMessage, filteredMessage } from './filtered-message.ts'
import { compileMessageFilter } from './message-filter.ts'
import { checkMessageFilter, type MessageFilter } from './message-filter-input.ts'
import { traceMessageFilter } from './trace-message-filter.ts'

function trace(filter: MessageFilter, change: Partial<FilterableMessage> = {}) {
  expect(checkMessageFilter(filter, ['filter'])).toEqual([])
  const message = filteredMessage({ ...newMessage(newId('src')), sequence: 1, ...change }, 'orders')
  const traced = traceMessageFilter(filter, message)
  expect(traced.verdict === 'matches').toBe(compileMessageFilter(filter).matches(message))
  const steps = traced.steps.map(({ path, ...step }) => ({ at: path.join('.'), ...step }))
  return { ...traced, steps }
}

test('each test says where it stands, what it asks for and what the message has', () => {
  const rawJson = (JSON as typeof JSON & { rawJSON(text: string): object }).rawJSON
  const filter: MessageFilter = {
    all: [
      { types: ['order.*', 'shirt'] },
      { exact: { name: 'subject', value: 'order/7' } },
      { prefix: { name: 'source', value: '/sources/' } },
      { suffix: { name: 'tenant', value: 'me' } },
      { header: { name: 'X-Shop', value: 'b' } },
      { data: { pointer: '/n', value: rawJson('12345678901234567890') } },
      { data: { pointer: '/list', value: null } },
    ],
  }
  const { steps, verdict } = trace(filter, {
    eventType: 'order.created',
    eventSubject: 'order/7',
    eventExtensions: '{"tenant":"acme"}',
    headersText: '[["x-shop","a"],["X-Shop","b"]]',
    body: Buffer.from('{"n":12345678901234567890,"list":[1]}'),
  })
  expect(verdict).toBe('differs')
  expect(steps).toEqual([
    { at: 'all.0.types', test: 'type is like order.* or shirt', found: 'order.created', isMatch: true },
    { at: 'all.1.exact', test: 'subject = order/7', found: 'order/7', isMatch: true },
    { at: 'all.2.prefix', test: 'source begins with /sources/', found: '/sources/orders', isMatch: true },
    { at: 'all.3.suffix', test: 'tenant ends with me', found: 'acme', isMatch: true },
    { at: 'all.4.header', test: 'header X-Shop = b', found: 'a, b', isMatch: true },
    { at: 'all.5.data', test: '/n = 12345678901234567890', found: '12345678901234567890', isMatch: true },
    { at: 'all.6.data', test: '/list = null', found: 'a list', isMatch: false },
    { at: 'all', test: 'all 7 hold', found: null, isMatch: false },
  ])
})

test('what nothing depended on any more is left out', () => {
  const of = (name: string): MessageFilter => ({ exact: { name, value: 'x' } })
  const ofAll = trace({ all: [of('a'), of('b')] })
  expect(ofAll.steps.map(({ at }) => at)).toEqual(['all.0.exact', 'all'])
  const ofAny = trace({ any: [{ not: of('a') }, of('b')] })
  expect(ofAny.steps).toEqual([
    { at: 'any.0.not.exact', test: 'a = x', found: null, isMatch: false },
    { at: 'any.0.not', test: 'this does not hold', found: null, isMatch: true },
    { at: 'any', test: 'one of 2 holds', found: null, isMatch: true },
  ])
  expect(ofAny.verdict).toBe('matches')
})

test('long values are cut, between characters', () => {
  const value = `a${'😀'.repeat(150)}`
  const { steps } = trace({ exact: { name: 'subject', value } }, { eventSubject: value })
  const [step] = steps
  expect(step?.found).toHaveLength(200)
  expect(step?.test).toHaveLength(200)
  expect(step?.found?.isWellFormed()).toBe(true)
  expect(step?.found?.endsWith('…')).toBe(true)
})

test('a filter of the most tests that are possible is traced in full', () => {
  const { steps } = trace({ all: Array.from({ length: 49 }, () => ({ not: { types: ['a'] } })) })
  expect(steps).toHaveLength(99)
})

test('a message that cannot be judged says so, with what was decided until then', () => {
  const filter: MessageFilter = { all: [{ types: ['*'] }, { exact: { name: 'tenant', value: 'x' } }] }
  const message = { ...newMessage(newId('src')), sequence: 1, eventExtensions: 'no JSON' }
  const { steps, verdict } = traceMessageFilter(filter, filteredMessage(message, 'orders'))
  expect(verdict).toBe('failed')
  expect(steps.map(({ path }) => path.join('.'))).toEqual(['all.0.types', 'all.1.exact'])
  expect(steps[1]).toMatchObject({ test: 'tenant = x (could not be evaluated)', isMatch: false })
})
