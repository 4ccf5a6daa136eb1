import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { newMessage } from '../../test/support/recording.ts'
import { newId } from '../kernel/ids.ts'
import { type FilterableMessage, filteredMessage } from './filtered-message.ts'
import { compileMessageFilter } from './message-filter.ts'
import { checkMessageFilter, type MessageFilter, type PointerMatch } from './message-filter-input.ts'

type Change = Partial<FilterableMessage>

const sourceId = newId('src')

function matches(filter: MessageFilter, change: Change = {}): boolean {
  expect(checkMessageFilter(filter, ['filter'])).toEqual([])
  const message = { ...newMessage(sourceId), sequence: 1, ...change }
  return compileMessageFilter(filter).matches(filteredMessage(message, 'orders'))
}

const rawJson = (text: string): object => (JSON as typeof JSON & { rawJSON(text: string): object }).rawJSON(text)

describe("the examples of CloudEvents' Subscriptions API", () => {
  const event = (type: string, subject: string | null = null): Change => ({ eventType: type, eventSubject: subject })
  const exact = (name: string, value: string): MessageFilter => ({ exact: { name, value } })
  const both = (test: 'exact' | 'prefix' | 'suffix', type: string, subject: string): MessageFilter => ({
    all: [{ [test]: { name: 'type', value: type } }, { [test]: { name: 'subject', value: subject } }],
  })
  const spec = 'https://github.com/cloudevents/spec'

  test.each<[string, MessageFilter, Change[], Change[]]>([
    [
      'exact',
      both('exact', 'com.github.push', spec),
      [event('com.github.push', spec)],
      [event('com.github.push'), event('com.github.push', `${spec}/`), event('com.github.Push', spec)],
    ],
    [
      'prefix',
      both('prefix', 'com.github.issue', 'https://github.com/cloudevents'),
      [event('com.github.issue.comment', spec), event('com.github.issue', spec)],
      [event('com.github', spec), event('com.github.issue', 'http://github.com/cloudevents')],
    ],
    [
      'suffix',
      both('suffix', '.created', '/cloudevents/spec'),
      [event('com.github.issue.created', spec)],
      [event('com.github.issue.created.x', spec), event('created', spec)],
    ],
    [
      'all',
      { all: [exact('type', 'com.github.push'), exact('subject', spec)] },
      [event('com.github.push', spec)],
      [event('com.github.push', 'x'), event('x', spec), event('x')],
    ],
    [
      'any',
      { any: [exact('type', 'com.github.push'), exact('subject', spec)] },
      [event('com.github.push'), event('x', spec), event('com.github.push', spec)],
      [event('x', 'x'), event('x')],
    ],
    ['not', { not: exact('type', 'com.github.push') }, [event('x'), {}], [event('com.github.push')]],
  ])('%s', (_name, filter, fitting, others) => {
    expect(fitting.filter((change) => !matches(filter, change))).toEqual([])
    expect(others.filter((change) => matches(filter, change))).toEqual([])
  })
})

const exactly = (name: string, value: string): MessageFilter => ({ exact: { name, value } })
const message = newMessage(sourceId)

test.each<[MessageFilter, Change]>([
  [exactly('id', message.id), { id: message.id }],
  [exactly('id', 'e1'), { eventId: 'e1' }],
  [exactly('source', '/sources/orders'), {}],
  [exactly('source', '/shop'), { eventSource: '/shop' }],
  [exactly('type', 'webhook'), {}],
  [{ types: ['webhook'] }, {}],
  [{ types: ['x', 'order.*'] }, { eventType: 'order.created' }],
  [exactly('time', '2026-11-22T00:31:00.123Z'), { eventTime: new Date('2026-11-22T00:31:00.123Z') }],
  [exactly('datacontenttype', 'text/plain'), { contentType: 'text/plain' }],
  [exactly('dataschema', 'https://x.example/s'), { eventDataSchema: 'https://x.example/s' }],
  [exactly('specversion', '1.0'), {}],
  [exactly('operation', 'modify'), { eventExtensions: '{"operation":"modify"}' }],
  [exactly('count', '-7'), { eventExtensions: '{"count":-7}' }],
  [exactly('urgent', 'true'), { eventExtensions: '{"urgent":true}' }],
  [exactly('constructor', 'x'), { eventExtensions: '{"constructor":"x"}' }],
  [{ prefix: { name: 'operation', value: 'mod' } }, { eventExtensions: '{"operation":"modify"}' }],
])('%j finds its message', (filter, change) => {
  expect(matches(filter, change)).toBe(true)
  expect(matches({ not: filter }, change)).toBe(false)
})

test.each<[MessageFilter, Change]>([
  [exactly('subject', 'null'), {}],
  [exactly('id', message.id), { eventId: 'e1' }],
  [exactly('constructor', 'x'), {}],
  [exactly('operation', 'Modify'), { eventExtensions: '{"operation":"modify"}' }],
  [{ suffix: { name: 'subject', value: 'x' } }, {}],
  [{ prefix: { name: 'datacontenttype', value: 'text' } }, { contentType: null }],
  [{ types: ['order.*'] }, {}],
])('%j leaves what it does not mean', (filter, change) => {
  expect(matches(filter, change)).toBe(false)
  expect(matches({ not: filter }, change)).toBe(true)
})

test('a header is found by its name in any case, whichever of its values is meant', () => {
  const headersText = JSON.stringify([
    ['X-Topic', 'orders'],
    ['x-topic', 'Refunds'],
  ])
  const header = (name: string, value: string) => matches({ header: { name, value } }, { headersText })
  expect(header('X-TOPIC', 'orders')).toBe(true)
  expect(header('x-topic', 'Refunds')).toBe(true)
  expect(header('x-topic', 'refunds')).toBe(false)
  expect(header('x-topi', 'orders')).toBe(false)
  expect(header('constructor', 'orders')).toBe(false)
})

test.each<[string, string, PointerMatch['value'], boolean]>([
  ['{"data":{"status":"paid"}}', '/data/status', 'paid', true],
  ['{"data":{"status":"paid"}}', '/data/status', 'Paid', false],
  ['{"a":""}', '/a', '', true],
  ['{"a":[0,{"b":true}]}', '/a/1/b', true, true],
  ['{"a":true}', '/a', 'true', false],
  ['{"a":null}', '/a', null, true],
  ['{}', '/a', null, false],
  ['null', '', null, true],
  ['{"a":', '/a', null, false],
  ['', '', null, false],
  ['{"a":1}', '/a', 1, true],
  ['{"a":1.0e0}', '/a', 1, true],
  ['{"a":"1"}', '/a', 1, false],
  ['{"a":-0}', '/a', 0, true],
  ['{"a":9007199254740993}', '/a', 9007199254740991, false],
  ['{"a":9007199254740991}', '/a', rawJson('9007199254740991'), true],
  ['{"a":12345678901234567890}', '/a', rawJson('12345678901234567890'), true],
  ['{"a":12345678901234567891}', '/a', rawJson('12345678901234567890'), false],
  ['{"a":"12345678901234567890"}', '/a', rawJson('12345678901234567890'), false],
  ['{"a":1e400}', '/a', rawJson('1e400'), true],
  ['{"a":1e401}', '/a', rawJson('1e400'), false],
  ['{"a":{}}', '/a', null, false],
  ['{"a~/b":1}', '/a~0~1b', 1, true],
  ['{"a":1,"a":2}', '/a', 2, true],
  [`{"a":1,"deep":${'['.repeat(500)}${']'.repeat(500)}}`, '/a', 1, false],
  [`${'['.repeat(100_000)}`, '/0', 1, false],
])('of the payload %s the place %j equals %j: %s', (body, pointer, value, isFound) => {
  expect(matches({ data: { pointer, value } }, { body: Buffer.from(body) })).toBe(isFound)
})

test('the payload of a form is its fields', () => {
  const change = { contentType: 'application/x-www-form-urlencoded', body: Buffer.from('a=1&a=2') }
  expect(matches({ data: { pointer: '/a/1', value: '2' } }, change)).toBe(true)
})

test('a filter tells whether it needs bodies', () => {
  const data: MessageFilter = { data: { pointer: '', value: null } }
  const reads = (filter: MessageFilter) => compileMessageFilter(filter).readsBodies
  expect(reads({ types: ['*'] })).toBe(false)
  expect(reads({ not: { header: { name: 'a', value: 'b' } } })).toBe(false)
  expect(reads({ any: [{ types: ['*'] }, { not: { all: [data] } }] })).toBe(true)
})

const nested = (levels: number): MessageFilter => (levels === 1 ? { types: ['*'] } : { not: nested(levels - 1) })
const many = (count: number): MessageFilter => ({ any: Array.from({ length: count }, () => ({ types: ['x'] })) })

test.each<[string, MessageFilter, string[]]>([
  ['no test', {}, ['MALFORMED filter']],
  ['two tests', { types: ['x'], not: { types: ['x'] } }, ['MALFORMED filter']],
  ['nulls alone', { types: null, all: null }, ['MALFORMED filter']],
  ['no types', { types: [] }, ['REQUIRED filter.types']],
  ['an empty type', { types: ['x', ''] }, ['REQUIRED filter.types.1']],
  ['a long type', { types: ['x'.repeat(257)] }, ['OUT_OF_RANGE filter.types.0']],
  ['many types', { types: Array(101).fill('x') }, ['OUT_OF_RANGE filter.types']],
  [
    'many types in all',
    { any: [{ types: Array(60).fill('x') }, { types: Array(41).fill('x') }] },
    ['OUT_OF_RANGE filter.any.1.types'],
  ],
  ['an empty name', exactly('', 'x'), ['REQUIRED filter.exact.name']],
  ['another spelling', exactly('Type', 'x'), ['MALFORMED filter.exact.name']],
  ['data as an attribute', exactly('data', 'x'), ['MALFORMED filter.exact.name']],
  ['an empty value', exactly('type', ''), ['REQUIRED filter.exact.value']],
  ['an empty prefix', { prefix: { name: 'type', value: '' } }, ['REQUIRED filter.prefix.value']],
  ['an empty suffix', { suffix: { name: 'type', value: '' } }, ['REQUIRED filter.suffix.value']],
  ['a long value', exactly('type', 'x'.repeat(2_049)), ['OUT_OF_RANGE filter.exact.value']],
  ['half a character', exactly('type', '\ud800'), ['MALFORMED filter.exact.value']],
  ['no header', { header: { name: 'a b', value: 'x' } }, ['MALFORMED filter.header.name']],
  ['no pointer', { data: { pointer: 'a', value: 1 } }, ['MALFORMED filter.data.pointer']],
  ['a long pointer', { data: { pointer: `/${'x'.repeat(512)}`, value: 1 } }, ['OUT_OF_RANGE filter.data.pointer']],
  ['no value', { data: { pointer: '/a' } }, ['REQUIRED filter.data.value']],
  ['a list as value', { data: { pointer: '/a', value: [1] } }, ['MALFORMED filter.data.value']],
  ['an object as value', { data: { pointer: '/a', value: {} } }, ['MALFORMED filter.data.value']],
  ['lost digits', { data: { pointer: '/a', value: 12345678901234567000 } }, ['OUT_OF_RANGE filter.data.value']],
  ['no number', { data: { pointer: '/a', value: Number.NaN } }, ['OUT_OF_RANGE filter.data.value']],
  ['all of nothing', { all: [] }, ['REQUIRED filter.all']],
  ['any of nothing', { not: { any: [] } }, ['REQUIRED filter.not.any']],
  ['nine levels', nested(9), [`OUT_OF_RANGE filter${'.not'.repeat(8)}`]],
  ['101 tests', many(100), ['OUT_OF_RANGE filter.any.99']],
  ['a million tests', many(1_000_000), ['OUT_OF_RANGE filter.any.99']],
  [
    'several mistakes',
    { all: [{ types: [''] }, { not: {} }] },
    ['REQUIRED filter.all.0.types.0', 'MALFORMED filter.all.1.not'],
  ],
])('a filter with %s is refused', (_name, filter, expected) => {
  const issues = checkMessageFilter(filter, ['filter'])
  expect(issues.map(({ code, path }) => `${code} ${path.join('.')}`)).toEqual(expected)
})

test('eight levels, a hundred tests and a hundred types are possible', () => {
  for (const filter of [nested(8), many(99), { types: Array(100).fill('x') }]) {
    expect(checkMessageFilter(filter, [])).toEqual([])
  }
})

test('whatever a sender sends, a filter decides', () => {
  const filters: MessageFilter[] = [
    { data: { pointer: '/a/0', value: 'x' } },
    { data: { pointer: '/__proto__/a', value: rawJson('1e400') } },
    { header: { name: 'a', value: 'x' } },
    { types: ['*a*'] },
  ]
  const filter = compileMessageFilter({ all: filters.map((not) => ({ not })) })
  const body = fc.oneof(fc.uint8Array(), fc.json(), fc.string({ unit: 'binary' }))
  const headers = fc.array(fc.tuple(fc.string(), fc.string()))
  fc.assert(
    fc.property(body, headers, fc.option(fc.string()), (bytes, fields, eventType) => {
      const change = { body: Buffer.from(bytes), headersText: JSON.stringify(fields), eventType }
      expect(filter.matches(filteredMessage({ ...message, sequence: 1, ...change }, 's'))).toBeTypeOf('boolean')
    }),
  )
})

test('however many tests compare digits, a message is read twice at most: as values, and with its digits', () => {
  const near = Array.from({ length: 99 }, (_, index) => ({
    data: { pointer: '/n', value: rawJson(`12345678901234567${100 + index}`) },
  }))
  const body = Buffer.from('{"n":12345678901234567999}')
  const parse = vi.spyOn(JSON, 'parse')
  try {
    expect(matches({ any: near }, { body })).toBe(false)
    expect(parse.mock.calls.filter(([text]) => text === body.toString())).toHaveLength(2)
  } finally {
    parse.mockRestore()
  }
})
