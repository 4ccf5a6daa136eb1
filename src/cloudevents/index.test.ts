import { CloudEvent, HTTP, Mode } from 'cloudevents'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  encodeHeaderValue,
  modeOf,
  type Parsed,
  type ParsedEvent,
  parseBatch,
  parseBinary,
  parsePlain,
  parseStructured,
} from './index.ts'

const structuredType = 'application/cloudevents+json'
const batchType = 'application/cloudevents-batch+json'

function eventsOf(parsed: Parsed): readonly ParsedEvent[] {
  if (parsed.kind !== 'events') throw new Error(`${parsed.kind}: ${parsed.detail}`)
  return parsed.events
}

function only(parsed: Parsed): ParsedEvent {
  const [event, ...others] = eventsOf(parsed)
  if (event === undefined || others.length > 0) throw new Error('not one event')
  return event
}

const envelope = (members: string) => Buffer.from(`{"specversion":"1.0","id":"1","source":"/s","type":"t"${members}}`)
const structured = (members: string, contentType = structuredType) => parseStructured(envelope(members), contentType)
const detailOf = (parsed: Parsed) => (parsed.kind === 'events' ? 'none' : `${parsed.kind}: ${parsed.detail}`)

// The examples of the JSON format, section 3.2.
const example = (members: object) =>
  Buffer.from(
    JSON.stringify({
      specversion: '1.0',
      type: 'com.example.someevent',
      source: '/mycontext',
      subject: null,
      id: 'A234-1234-1234',
      time: '2018-04-05T17:31:00Z',
      comexampleextension1: 'value',
      comexampleothervalue: 5,
      unsetextension: null,
      ...members,
    }),
  )

test.each([
  [{ datacontenttype: 'application/vnd.x', data_base64: 'AAH/' }, 'application/vnd.x', Buffer.from([0, 1, 255])],
  [{ datacontenttype: 'application/xml', data: '<much wow="xml"/>' }, 'application/xml', '<much wow="xml"/>'],
  [{ datacontenttype: 'application/json', data: { a: 'abc', b: 123 } }, 'application/json', '{"a":"abc","b":123}'],
  [{ data: "I'm just a string" }, 'application/json', '"I\'m just a string"'],
  [{ data: null }, 'application/json', 'null'],
  [{}, null, ''],
])("the specification's example with %o is read as it says", (members, dataContentType, data) => {
  const event = only(parseStructured(example(members), structuredType))
  expect(event).toEqual({
    context: {
      id: 'A234-1234-1234',
      source: '/mycontext',
      type: 'com.example.someevent',
      subject: null,
      time: new Date('2018-04-05T17:31:00Z'),
      dataContentType,
      dataSchema: null,
      extensions: { comexampleextension1: 'value', comexampleothervalue: 5 },
    },
    data: Buffer.from(data),
  })
})

test.each([Mode.BINARY, Mode.STRUCTURED])('what the official SDK writes in %s mode is read', (mode) => {
  const given = new CloudEvent({
    id: 'a-1',
    source: 'https://example.com/orders?x=1#2',
    type: 'order.created',
    subject: 'order/7',
    time: '2026-11-22T00:31:00.123Z',
    dataschema: 'https://example.com/schema#/order',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    data: { total: 1 },
  })
  const { headers, body } = mode === Mode.BINARY ? HTTP.binary(given) : HTTP.structured(given)
  const contentType = String(headers['content-type'])
  expect(modeOf(contentType, headers as NodeJS.Dict<string>)).toBe(mode)
  const rawHeaders = Object.entries(headers).flatMap(([name, value]) => [name, String(value)])
  const bytes = Buffer.from(String(body))
  const parsed =
    mode === Mode.BINARY ? parseBinary(bytes, contentType, rawHeaders) : parseStructured(bytes, contentType)
  const event = only(parsed)
  expect(event.context).toEqual({
    id: given.id,
    source: given.source,
    type: given.type,
    subject: given.subject,
    time: new Date(given.time ?? ''),
    dataContentType: expect.stringMatching(/^application\/json/),
    dataSchema: given.dataschema,
    extensions: { traceparent: given.traceparent },
  })
  expect(JSON.parse(event.data.toString())).toEqual(given.data)
})

test.each([
  ['application/cloudevents+json', {}, 'structured'],
  ['Application/CloudEvents+JSON; charset=UTF-8', {}, 'structured'],
  ['application/cloudevents+avro', {}, 'structured'],
  ['APPLICATION/cloudevents-batch+json', {}, 'batched'],
  ['application/json', { 'ce-type': 't' }, 'binary'],
  [null, { 'ce-specversion': '1.0' }, 'binary'],
  ['application/json', { 'ce-x': 'y' }, null],
  [null, {}, null],
])('the content type %s with the headers %o declares the mode %s', (contentType, headers, mode) => {
  expect(modeOf(contentType, headers)).toBe(mode)
})

test.each([
  '12345678901234567890',
  '{ "a" : 1, "a" :\t2 }',
  '[-0, 1e2, 1E400, 0.10]',
  '{"__proto__":{"x":1}}',
  '"\\u0000 \\ud800 \\/"',
  `${'['.repeat(100_000)}${']'.repeat(100_000)}`,
])('data keeps its bytes: %.40s', (json) => {
  expect(only(structured(`, "data" :  ${json} `)).data.toString()).toBe(json)
})

test('any JSON value is cut out of its envelope as it was written', () => {
  fc.assert(
    fc.property(fc.json(), fc.constantFrom('', ' ', '\n\t'), (json, gap) => {
      const { data } = only(structured(`,${gap}"data"${gap}:${gap}${json}${gap},"subject":"s"`))
      expect(data.toString()).toBe(json)
    }),
  )
})

test('any text survives as data of a text type', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const { data } = only(structured(`,"datacontenttype":"text/plain","data":${JSON.stringify(text)}`))
      expect(data.toString()).toBe(text)
    }),
  )
})

const malformed = /^malformed: ./

test.each<[string, string]>([
  ['both forms of data', ',"data":1,"data_base64":"AA=="'],
  ['base64 without padding', ',"data_base64":"AA"'],
  ['base64 of another alphabet', ',"data_base64":"-_8="'],
  ['base64 with a line break', ',"data_base64":"AAAA\\nAAA="'],
  ['base64 that is no string', ',"data_base64":7'],
  ['data of a text type that is no string', ',"datacontenttype":"text/plain","data":{}'],
  ['data that no text can hold', ',"datacontenttype":"text/plain","data":"\\ud800"'],
  ['an attribute twice', ',"id":"2"'],
  ['an attribute twice, spelled differently', ',"\\u0069d":"2"'],
  ['an unset attribute twice', ',"subject":null,"subject":"x"'],
  ['an empty subject', ',"subject":""'],
  ['a time without an offset', ',"time":"2026-11-22T00:31:00"'],
  ['the 30th of February', ',"time":"2026-02-30T00:00:00Z"'],
  ['a time beyond the calendar', ',"time":"9999-12-31T23:59:59-14:00"'],
  ['a time that is a number', ',"time":1700000000'],
  ['a relative schema', ',"dataschema":"/schema"'],
  ['a content type that is none', ',"datacontenttype":"json"'],
  ['an upper-case name', ',"Ext":"x"'],
  ['a name with a hyphen', ',"my-ext":"x"'],
  ['a name of JavaScript', ',"__proto__":"x"'],
  ['a fraction', ',"ext":1.5'],
  ['a number written with an exponent', ',"ext":1e2'],
  ['a number of 33 bits', ',"ext":2147483648'],
  ['a list', ',"ext":[]'],
  ['a control character', ',"ext":"a\\u0007"'],
  ['a C1 control character', ',"ext":"a\\u0085"'],
  ['a noncharacter', ',"ext":"\\ufffe"'],
  ['half a surrogate pair', ',"ext":"\\udc00"'],
  ['a long value', `,"ext":"${'x'.repeat(2_049)}"`],
  ['65 extensions', Array.from({ length: 65 }, (_, n) => `,"ext${n}":1`).join('')],
  ['a trailing comma', ','],
])('an event with %s is malformed', (_, members) => {
  expect(detailOf(structured(members))).toMatch(malformed)
})

test('64 extensions, the limits of integers and all simple types are taken', () => {
  const members = Array.from({ length: 61 }, (_, n) => `,"ext${n}":true`).join('')
  const { extensions } = only(structured(`${members},"least":-2147483648,"most":2147483647,"text":"é😀"`)).context
  expect(extensions).toMatchObject({ ext0: true, least: -2147483648, most: 2147483647, text: 'é😀' })
})

test.each(['id', 'source', 'specversion', 'type'])(
  'an event whose `%s` is missing, empty, null or no string is malformed',
  (name) => {
    const whole = { specversion: '1.0', id: '1', source: '/s', type: 't' }
    for (const value of [undefined, '', null, 1]) {
      const body = Buffer.from(JSON.stringify({ ...whole, [name]: value }))
      expect(detailOf(parseStructured(body, structuredType))).toMatch(new RegExp(`^malformed: \`${name}\``))
    }
  },
)

test.each(['1.1', '0.3', '1', '1.0.2'])('version %s is not read', (version) => {
  const body = Buffer.from(`{"specversion":"${version}","id":"1","source":"/s","type":"t"}`)
  expect(detailOf(parseStructured(body, structuredType))).toBe('malformed: `specversion` must be 1.0.')
})

// The first five are the specification's.
test.each([
  ['https://github.com/cloudevents', true],
  ['mailto:cncf-wg-serverless@lists.cncf.io', true],
  ['urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66', true],
  ['/cloudevents/spec/pull/123', true],
  ['1-555-123-4567', true],
  ['http://[::1]:80/a?b=c/d?e#f', true],
  ['a b', false],
  ['http://x/%zz', false],
  ['é', false],
  ['a#b#c', false],
  ['1a:b', false],
  ['<x>', false],
])('%s as a source is a URI reference: %s', (source, isOne) => {
  const body = Buffer.from(JSON.stringify({ specversion: '1.0', id: '1', source, type: 't' }))
  expect(parseStructured(body, structuredType).kind).toBe(isOne ? 'events' : 'malformed')
})

test.each([
  ['application/cloudevents+avro', structuredType],
  ['application/cloudevents', structuredType],
  ['application/cloudevents+json; charset=iso-8859-1', structuredType],
])('the format %s is not accepted, and which is, is told', (contentType) => {
  expect(structured('', contentType).kind).toBe('not-accepted')
})

test.each(['application/cloudevents+json;charset="UTF-8"', 'application/CLOUDEVENTS+json ; charset=utf-8;'])(
  'the format %s is accepted',
  (contentType) => {
    expect(structured('', contentType).kind).toBe('events')
  },
)

test.each<[string, Buffer]>([
  ['no JSON', Buffer.from('{"a":')],
  ['a list', Buffer.from('[]')],
  ['nothing', Buffer.alloc(0)],
  ['invalid UTF-8', Buffer.from([0x22, 0xc3, 0x28, 0x22])],
  ['a hundred thousand open brackets', Buffer.from('['.repeat(100_000))],
])('a body that is %s is malformed', (_, body) => {
  expect(detailOf(parseStructured(body, structuredType))).toMatch(malformed)
})

test('a byte order mark is harmless', () => {
  const body = Buffer.concat([Buffer.from('\ufeff'), envelope(',"data":"\ufeff"')])
  expect(only(parseStructured(body, structuredType)).data.toString()).toBe('"\ufeff"')
})

test('readers never throw, whatever comes', async () => {
  const text = fc.oneof(
    fc.json(),
    fc
      .array(fc.constantFrom('{', '}', '[', ']', ':', ',', '"id"', '"data"', '"\\', '1', 'null', '\n'))
      .map((parts) => parts.join('')),
  )
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        text.map((t) => Buffer.from(t)),
        fc.uint8Array().map((b) => Buffer.from(b)),
      ),
      async (body) => {
        parseStructured(body, structuredType)
        await parseBatch(body, batchType)
        await parsePlain(body, 'application/json')
        parseBinary(body, body.toString('latin1'), ['ce-id', body.toString('latin1')])
      },
    ),
  )
})

test('a batch gives its events in their order', async () => {
  const [first, second] = [envelope(',"data":[1]'), envelope(',"data":"x","datacontenttype":"text/plain"')]
  const events = eventsOf(await parseBatch(Buffer.from(` [ ${first} ,\n${second} ] `), `${batchType}; charset=UTF-8`))
  expect(events.map(({ data }) => data.toString())).toEqual(['[1]', 'x'])
})

test('an empty batch has no events', async () => {
  expect(eventsOf(await parseBatch(Buffer.from('[]'), batchType))).toEqual([])
})

test('one bad event spoils its batch, and its place is told', async () => {
  const batch = (items: unknown[]) => parseBatch(Buffer.from(`[${items.join(',')}]`), batchType)
  expect(detailOf(await batch([envelope(''), envelope(',"time":"x"')]))).toMatch(
    /^malformed: Event 1, counted from 0: `time`/,
  )
  expect(detailOf(await batch([envelope(''), '1']))).toMatch(/^malformed: Event 1/)
  expect((await batch(Array(500).fill(envelope('')))).kind).toBe('events')
  expect(detailOf(await batch(Array(501).fill(envelope(''))))).toMatch(/^malformed: At most 500/)
  expect((await parseBatch(envelope(''), batchType)).kind).toBe('malformed')
  expect((await parseBatch(Buffer.from('[]'), 'application/cloudevents-batch+avro')).kind).toBe('not-accepted')
})

const binaryHeaders = ['ce-specversion', '1.0', 'CE-ID', '1', 'Ce-Source', '/s', 'ce-type', 't']
const binary = (headers: string[], contentType: string | null = null) =>
  parseBinary(Buffer.from([0, 255]), contentType, [...binaryHeaders, ...headers])

test('in binary mode attributes are headers and the body is the data', () => {
  const event = only(
    binary(['ce-subject', encodeHeaderValue('Euro € 😀'), 'ce-ext', '"a b"', 'x-other', 'y'], 'image/png'),
  )
  expect(event.data).toEqual(Buffer.from([0, 255]))
  expect(event.context).toMatchObject({ id: '1', subject: 'Euro € 😀', dataContentType: 'image/png', time: null })
  expect(event.context.extensions).toEqual({ ext: 'a b' })
})

test.each<[string, string[], string | null]>([
  ['ce-datacontenttype', ['ce-datacontenttype', 'text/plain'], null],
  ['overlong UTF-8', ['ce-subject', '%C0%A0'], null],
  ['a percent sign alone', ['ce-subject', '100%'], null],
  ['an encoded control character', ['ce-subject', 'a%00'], null],
  ['an attribute twice', ['ce-id', '1'], null],
  ['data as an attribute', ['ce-data', '1'], null],
  ['a name that is none', ['ce-my-ext', '1'], null],
  ['an empty name', ['ce-', '1'], null],
  ['an empty subject', ['ce-subject', ''], null],
  ['a content type that is none', [], 'text'],
])('an event in binary mode with %s is malformed', (_, headers, contentType) => {
  expect(detailOf(binary(headers, contentType))).toMatch(malformed)
})

test('in the plain form a type is enough', async () => {
  const event = only(await parsePlain(Buffer.from('{"type":"order.created"}'), 'application/json'))
  expect(event.context).toMatchObject({ id: null, source: null, type: 'order.created', time: null })
  expect(event.data).toHaveLength(0)
})

test('the plain form knows the payload of Standard Webhooks, attributes and extensions, and lists', async () => {
  const body = '{"type":"a","timestamp":"2022-11-03T20:26:10.344522Z","tenant":"x","data":{"b": 1}}'
  const events = eventsOf(
    await parsePlain(Buffer.from(`[${body},{"type":"b","id":"1"}]`), 'application/json;charset=utf-8'),
  )
  expect(events[0]?.context).toMatchObject({ time: new Date('2022-11-03T20:26:10.344Z'), extensions: { tenant: 'x' } })
  expect(events[0]?.data.toString()).toBe('{"b": 1}')
  expect(events[1]?.context).toMatchObject({ type: 'b', id: '1' })
})

test.each([
  ['{}', 'application/json', 'malformed: `type` is missing.'],
  [
    '{"type":"t","time":"2026-11-22T00:31:00Z","timestamp":"2026-11-22T00:31:00Z"}',
    'application/json',
    'malformed: `time` is there twice.',
  ],
  ['{"type":"t","eventId":"1"}', 'application/json', expect.stringMatching(/^malformed: `eventId` is no attribute/)],
  ['{"type":"t","object":{}}', 'application/json', expect.stringMatching(/^malformed: `object` must be a string/)],
  ['"t"', 'application/json', 'malformed: An event is a JSON object.'],
  ['{"type":"t"}', 'application/x-www-form-urlencoded', expect.stringMatching(/^not-accepted/)],
  ['{"type":"t"}', '', expect.stringMatching(/^not-accepted/)],
])('%s as %s is refused', async (body, contentType, detail) => {
  expect(detailOf(await parsePlain(Buffer.from(body), contentType))).toEqual(detail)
})

test.each([
  ['text/plain; charset=utf-8', 'é€', Buffer.from('é€')],
  ['text/plain; charset=US-ASCII', 'e', Buffer.from('e')],
  ['text/plain; charset=ISO-8859-1', 'é', Buffer.from([0xe9])],
])('data of the type %s is in the encoding that it names', (type, data, bytes) => {
  const event = only(structured(`,"datacontenttype":"${type}","data":"${data}"`))
  expect(event.data).toEqual(bytes)
  expect(event.context.dataContentType).toBe(type)
})

test.each([
  ['us-ascii', 'é'],
  ['iso-8859-1', '€'],
  ['utf-16', 'e'],
])('text is not passed off as %s', (charset, data) => {
  const parsed = structured(`,"datacontenttype":"text/plain;charset=${charset}","data":"${data}"`)
  expect(detailOf(parsed)).toBe(
    `malformed: \`data\` cannot be written in the encoding ${charset} here: send it as \`data_base64\`.`,
  )
})

test('a million members are refused without looking at each', () => {
  const members = Array.from({ length: 1_000_000 }, (_, place) => `,"x${place}":null`).join('')
  expect(detailOf(structured(members))).toBe('malformed: An event has at most 128 members.')
  // Not even whether they are JSON.
  expect(detailOf(structured(`${members},`))).toBe('malformed: An event has at most 128 members.')
})

test('while a long list is read, others have their turn', async () => {
  const event = envelope(`,"data":[${'1,'.repeat(20_000)}1]`)
  const reading = parseBatch(Buffer.from(`[${Array(500).fill(event).join(',')}]`), batchType)
  let turns = 0
  const counting = setInterval(() => (turns += 1), 1)
  expect(eventsOf(await reading)).toHaveLength(500)
  clearInterval(counting)
  expect(turns).toBeGreaterThan(5)
})
