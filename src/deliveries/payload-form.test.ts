import { CloudEvent, HTTP } from 'cloudevents'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseBinary, parseStructured } from '../cloudevents/index.ts'
import type { PayloadFormat } from '../endpoints/endpoint.entity.ts'
import { payloadOf, type SentMessage } from './payload-form.ts'

const webhook: SentMessage = {
  id: 'msg_1',
  receivedAt: new Date('2026-11-22T00:31:00.123Z'),
  contentType: 'application/json',
  body: Buffer.from('{"hello": "world"}'),
  eventId: null,
  eventSource: null,
  eventType: null,
  eventSubject: null,
  eventTime: null,
  eventDataSchema: null,
  eventExtensions: null,
  sourceName: 'inbox',
}

const event: SentMessage = {
  ...webhook,
  eventId: 'e-1',
  eventSource: 'https://shop.example/orders',
  eventType: 'order.created',
  eventSubject: 'order/7',
  eventTime: new Date('2026-11-21T10:00:00Z'),
  eventDataSchema: 'https://shop.example/schema',
  eventExtensions: '{"tenant":"acme","attempt":3,"isdemo":true}',
}

/** As a receiver's SDK sees it; strictly checked. */
async function sdkEventOf(message: SentMessage, format: PayloadFormat) {
  const { headers, body } = await payloadOf(message, format)
  const read = HTTP.toEvent({ headers: Object.fromEntries(headers), body: body.toString() })
  if (!(read instanceof CloudEvent)) throw new Error('not one event')
  expect(read.validate()).toBe(true)
  return read
}

async function textOf(message: SentMessage, format: PayloadFormat): Promise<string> {
  return (await payloadOf(message, format)).body.toString()
}

describe('CloudEvents', () => {
  test.each(['cloudevents-structured', 'cloudevents-binary'] as const)(
    'a %s event arrives in the official SDK with all its attributes',
    async (format) => {
      expect((await sdkEventOf(event, format)).toJSON()).toEqual({
        specversion: '1.0',
        id: 'e-1',
        source: 'https://shop.example/orders',
        type: 'order.created',
        subject: 'order/7',
        time: '2026-11-21T10:00:00.000Z',
        datacontenttype: 'application/json',
        dataschema: 'https://shop.example/schema',
        tenant: 'acme',
        // In headers all is text.
        attempt: format === 'cloudevents-binary' ? '3' : 3,
        isdemo: format === 'cloudevents-binary' ? 'true' : true,
        data: { hello: 'world' },
      })
    },
  )

  test.each(['cloudevents-structured', 'cloudevents-binary'] as const)(
    'a plain webhook is a valid %s event of its source',
    async (format) => {
      expect((await sdkEventOf(webhook, format)).toJSON()).toEqual({
        specversion: '1.0',
        id: 'msg_1',
        source: '/sources/inbox',
        type: 'webhook',
        time: '2026-11-22T00:31:00.123Z',
        datacontenttype: 'application/json',
        data: { hello: 'world' },
      })
    },
  )

  test('content types are those of the HTTP binding', async () => {
    expect((await payloadOf(event, 'cloudevents-structured')).headers).toEqual([
      ['content-type', 'application/cloudevents+json; charset=utf-8'],
    ])
    const names = (await payloadOf(event, 'cloudevents-binary')).headers.map(([name]) => name)
    expect((await payloadOf(event, 'cloudevents-binary')).headers).toContainEqual(['content-type', 'application/json'])
    expect(names).not.toContain('ce-datacontenttype')
    expect((await payloadOf({ ...webhook, contentType: null }, 'cloudevents-binary')).headers).toContainEqual([
      'content-type',
      'application/octet-stream',
    ])
  })

  test.each([
    ['XML', 'application/xml', Buffer.from('<a/>')],
    ['JSON that is none', 'application/json', Buffer.from('{"a":')],
    ['JSON after a byte order mark', 'application/json', Buffer.from('\ufeff{}')],
    ['JSON in another encoding', 'application/json; charset=iso-8859-1', Buffer.from('{}')],
    ['JSON that is not UTF-8', 'application/json', Buffer.from([0x22, 0xff, 0x22])],
    ['two JSON values', 'application/json', Buffer.from('1 2')],
    ['bytes of no known type', null, Buffer.from('{}')],
  ])('%s goes into a structured event in base64, and comes out the same', async (_name, contentType, body) => {
    const message = { ...webhook, contentType, body }
    const shown = JSON.parse(await textOf(message, 'cloudevents-structured'))
    expect(shown).toMatchObject({ data_base64: body.toString('base64') })
    expect(shown).not.toHaveProperty('data')
    expect(shown.datacontenttype).toBe(contentType ?? undefined)
    expect((await sdkEventOf(message, 'cloudevents-structured')).type).toBe('webhook')
  })

  test('an event without data has none, and a content type that is none is left out of the attributes', async () => {
    const shown = JSON.parse(
      await textOf({ ...webhook, body: Buffer.alloc(0), contentType: 'json' }, 'cloudevents-structured'),
    )
    expect(Object.keys(shown).sort()).toEqual(['id', 'source', 'specversion', 'time', 'type'])
  })

  test('attributes stand in headers as the specification encodes them', async () => {
    const message = { ...event, eventSubject: 'Euro € 😀', eventExtensions: '{"quote":"\\"100%\\""}' }
    const { headers } = await payloadOf(message, 'cloudevents-binary')
    expect(headers).toContainEqual(['ce-subject', 'Euro%20%E2%82%AC%20%F0%9F%98%80'])
    expect(headers).toContainEqual(['ce-quote', '%22100%25%22'])
  })

  test('what was mapped from a body but no attribute may hold does not make the event invalid', async () => {
    const message = { ...webhook, eventType: 'a\u0000b\u0085\uffff' }
    expect((await sdkEventOf(message, 'cloudevents-structured')).type).toBe('a\ufffdb\ufffd\ufffd')
    expect((await payloadOf(message, 'cloudevents-binary')).headers).toContainEqual([
      'ce-type',
      'a%EF%BF%BDb%EF%BF%BD%EF%BF%BD',
    ])
  })
})

describe('an event that came in as a structured CloudEvent', () => {
  const body = Buffer.from(
    '{ "specversion":"1.0", "id":"e-1", "source":"/shop", "type":"order.created", "time":"2026-11-22T00:31:00.123456789+01:00",\n "datacontenttype":"text/plain", "data":"Gr\\u00fc\\u00dfe" }',
  )
  const message: SentMessage = {
    ...webhook,
    contentType: 'Application/CloudEvents+JSON',
    body,
    eventId: 'e-1',
    eventSource: '/shop',
    eventType: 'order.created',
    eventTime: new Date('2026-11-21T23:31:00.123Z'),
  }

  test('goes on in structured mode byte for byte', async () => {
    const payload = await payloadOf(message, 'cloudevents-structured')
    expect(payload.body.equals(body)).toBe(true)
    expect(payload.headers).toEqual([['content-type', 'Application/CloudEvents+JSON']])
  })

  test('goes on in the other forms with its own data', async () => {
    const binary = await payloadOf(message, 'cloudevents-binary')
    expect(binary.body.toString()).toBe('Grüße')
    expect(binary.headers).toContainEqual(['content-type', 'text/plain'])
    expect(binary.headers).toContainEqual(['ce-id', 'e-1'])
    const data = Buffer.from('Grüße').toString('base64')
    expect(JSON.parse(await textOf(message, 'envelope'))).toMatchObject({
      data,
      data_encoding: 'base64',
      source: '/shop',
    })
  })

  test('has the type that the owner of its source maps', async () => {
    const mapped = { ...message, eventType: 'mapped' }
    expect(await sdkEventOf(mapped, 'cloudevents-structured')).toMatchObject({ id: 'e-1', type: 'mapped' })
  })

  test('stays whole where it is the data of another event', async () => {
    const outer = { ...message, eventSource: '/outer', eventId: 'o-1' }
    expect((await payloadOf(outer, 'cloudevents-binary')).body.equals(body)).toBe(true)
  })
})

describe('the envelope', () => {
  test('holds what it says, under the id of the message', async () => {
    expect(JSON.parse(await textOf(event, 'envelope'))).toEqual({
      id: 'msg_1',
      event_type: 'order.created',
      data: { hello: 'world' },
      timestamp: '2026-11-21T10:00:00.000Z',
      source: 'https://shop.example/orders',
      version: '1.0',
    })
    expect((await payloadOf(event, 'envelope')).headers).toEqual([['content-type', 'application/json']])
    expect(JSON.parse(await textOf({ ...webhook, body: Buffer.alloc(0) }, 'envelope'))).toEqual({
      id: 'msg_1',
      event_type: 'webhook',
      data: null,
      timestamp: '2026-11-22T00:31:00.123Z',
      source: '/sources/inbox',
      version: '1.0',
    })
  })

  test('holds what is not JSON in base64, and says so', async () => {
    const body = Buffer.from([0xff, 0x00])
    expect(JSON.parse(await textOf({ ...webhook, contentType: 'image/png', body }, 'envelope'))).toMatchObject({
      data: '/wA=',
      data_encoding: 'base64',
    })
  })
})

describe('bytes', () => {
  test.each([
    '12345678901234567890',
    ' {"a" : -0, "a" : 1e2, "__proto__": {"x": 0.1000}} \n',
    '"\\u0000\\ud800"',
    `${'['.repeat(100_000)}${']'.repeat(100_000)}`,
  ])('JSON goes into every form as it was written: %#', async (json) => {
    const message = { ...webhook, body: Buffer.from(json) }
    expect(await textOf(message, 'exact')).toBe(json)
    expect(await textOf(message, 'cloudevents-binary')).toBe(json)
    expect((await textOf(message, 'cloudevents-structured')).endsWith(`,"data":${json}}`)).toBe(true)
    expect(await textOf(message, 'envelope')).toContain(`,"data":${json},"timestamp":`)
  })

  test('whatever is sent as a CloudEvent is read as the same event', async () => {
    const texts = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }).filter((text) => text.isWellFormed())
    const bodies = fc.oneof(
      fc.uint8Array({ minLength: 1 }).map((bytes) => Buffer.from(bytes)),
      fc.json().map((json) => Buffer.from(json)),
    )
    const types = fc.constantFrom('application/json', 'text/plain', 'application/vnd.a+json; charset="utf-8"')
    await fc.assert(
      fc.asyncProperty(texts, texts, bodies, types, async (type, tenant, body, contentType) => {
        const message = { ...event, eventType: type, eventExtensions: JSON.stringify({ tenant }), body, contentType }
        const structured = await payloadOf(message, 'cloudevents-structured')
        const binary = await payloadOf(message, 'cloudevents-binary')
        const readings = [
          parseStructured(structured.body, 'application/cloudevents+json'),
          parseBinary(binary.body, contentType, binary.headers.flat()),
        ]
        for (const reading of readings) {
          if (reading.kind !== 'events') throw new Error(JSON.stringify(reading))
          const [read] = reading.events
          expect(read?.data.equals(body)).toBe(true)
          expect(read?.context).toMatchObject({ id: 'e-1', dataContentType: contentType, subject: 'order/7' })
        }
        const contexts = readings.map((reading) => (reading.kind === 'events' ? reading.events[0]?.context : null))
        expect(contexts[0]).toEqual(contexts[1])
      }),
      { numRuns: 50 },
    )
  })

  test('while a body of 8 MB is looked through, others have their turn', async () => {
    const body = Buffer.from(`[${'1,'.repeat(4_000_000)}1]`)
    for (const format of ['cloudevents-structured', 'envelope'] as const) {
      let turns = 0
      const counting = setInterval(() => {
        turns += 1
      })
      const sent = await payloadOf({ ...webhook, body }, format).finally(() => clearInterval(counting))
      expect(sent.body.includes(body)).toBe(true)
      expect(turns).toBeGreaterThan(1)
    }
  })
})
