import { expect, test } from 'vitest'
import { fieldReader } from './header-fields.ts'
import { receivedEvent } from './received-event.ts'
import { ReceiverError } from './receiver-error.ts'

function eventOf(body: string | Buffer, headers: Record<string, string> = {}) {
  return receivedEvent({ id: 'msg_1', timestampSeconds: 1, body: Buffer.from(body), field: fieldReader(headers) })
}

test.each<[string, string, Record<string, string>, string]>([
  ['the payload of Standard Webhooks, or a CloudEvent in JSON', '{"type":"order.created"}', {}, 'order.created'],
  ['the plain envelope', '{"event_type":"order.created"}', {}, 'order.created'],
  ['a CloudEvent in header fields', '{"type":"shirt"}', { 'ce-type': 'product.add' }, 'product.add'],
  ['a type beyond ASCII', '', { 'ce-type': 'caf%C3%A9' }, 'café'],
  ['a type with a lone percent sign', '', { 'ce-type': '100%' }, '100%'],
  ['the plain form', '{"type":"shirt"}', { 'x-webhook-event': 'product.add' }, 'product.add'],
  ['the header of all other forms', '{"type":"shirt"}', { 'hookline-event-type': 'caf%C3%A9.add' }, 'café.add'],
  ['no JSON', '<order/>', {}, ''],
  ['an empty body', '', {}, ''],
  ['a type that is no text', '{"type":1}', {}, ''],
  ['JSON that is no object', 'null', {}, ''],
])('the type is found in %s', (_where, body, headers, type) => {
  expect(eventOf(body, headers).type).toBe(type)
})

const tampered = { 'ce-type': 'x', 'x-webhook-event': 'x', 'hookline-event-type': 'x' }

test.each<[string, object, Record<string, string>]>([
  ['the envelope', { id: 'msg_1', event_type: 'order.created', data: { type: 'x' }, version: '1.0' }, {}],
  ['a CloudEvent with our id', { specversion: '1.0', id: 'msg_1', type: 'order.created' }, {}],
  [
    'a CloudEvent with an id of its own',
    { specversion: '1.0', id: '7', type: 'order.created' },
    { 'content-type': 'Application/CloudEvents+json; charset=utf-8' },
  ],
])(
  'of %s the type in the body counts, which is signed, and not one in a header, which is not',
  (_what, body, headers) => {
    expect(eventOf(JSON.stringify(body), { ...tampered, ...headers }).type).toBe('order.created')
  },
)

test('data that looks like an event does not say the type where a header does', () => {
  const data = [
    { specversion: '1.0', id: '7', type: 'other' },
    { id: '7', event_type: 'other', version: '1.0' },
  ]
  for (const body of data) {
    const headers = { 'ce-type': 'order.created', 'content-type': 'application/json' }
    expect(eventOf(JSON.stringify(body), headers).type).toBe('order.created')
  }
})

test('the payload is read once', () => {
  const event = eventOf('{"a":{}}')
  expect(event.json()).toBe(event.json())
})

test.each(['{', '', Buffer.from([0x22, 0xff, 0x22])])('a payload that is no JSON in UTF-8 says so: %j', (body) => {
  const event = eventOf(body)
  expect(() => event.json()).toThrow(ReceiverError)
  expect(() => event.json()).toThrow(expect.objectContaining({ code: 'PAYLOAD_MALFORMED' }))
})

test('other header fields can be asked for', () => {
  const event = eventOf('{}', { 'Hookline-Attempt': '2' })
  expect(event.header('hookline-attempt')).toBe('2')
  expect(event.header('Hookline-Attempt')).toBe('2')
  expect(event.header('hookline-delivery-id')).toBeNull()
})
