import { expect, test } from 'vitest'
import type { ValueSelector } from '../kernel/value-selector.ts'
import { type Mapping, mappingOfPreset } from '../signatures/index.ts'
import { attributesOf } from './event-attributes.ts'
import { createPayload } from './payload.ts'

const none: Mapping = { id: null, type: null, subject: null }

interface Given {
  readonly own?: Mapping
  readonly preset?: Mapping
  readonly headers?: Record<string, string>
  readonly body?: string
}

function attributes({ own = none, preset = none, headers = {}, body = '' }: Given) {
  const mapping = { id: own.id ?? preset.id, type: own.type ?? preset.type, subject: own.subject ?? preset.subject }
  const bytes = Buffer.from(body)
  const request = { headers, rawHeaders: Object.entries(headers).flat(), body: bytes }
  return attributesOf({ mapping, ownMapping: own }, request, createPayload(bytes))
}

const structured = { 'content-type': 'application/cloudevents+json' }
const event = { specversion: '1.0', id: 'e1', source: '/shop', type: 'order.paid', data: { total: 1 } }

test('a header, a place in the payload and a fixed value say what an event is', () => {
  const own = { id: { header: 'X-Event-Id' }, type: { pointer: '/event/name' }, subject: { constant: 'orders' } }
  expect(attributes({ own, headers: { 'x-event-id': '7' }, body: '{"event":{"name":"paid"}}' })).toMatchObject({
    id: '7',
    type: 'paid',
    subject: 'orders',
    source: null,
  })
})

test('what a provider is known to send is found without being described', () => {
  const stripe = { preset: mappingOfPreset('STRIPE'), body: '{"id":"evt_1","type":"charge.failed"}' }
  expect(attributes(stripe)).toMatchObject({ id: 'evt_1', type: 'charge.failed' })
  const headers = { 'x-github-delivery': 'd1', 'x-github-event': 'push' }
  expect(attributes({ preset: mappingOfPreset('GITHUB'), headers })).toMatchObject({ id: 'd1', type: 'push' })
})

test.each<[string, ValueSelector]>([
  ['of 1,025 characters', { constant: 'i'.repeat(1_025) }],
  ['with a NUL', { pointer: '/nul' }],
  ['with half a surrogate pair', { pointer: '/half' }],
  ['that is empty', { pointer: '/empty' }],
  ['that is an object', { pointer: '' }],
])('an id %s is none', (_, id) => {
  const body = '{"nul":"a\\u0000b","half":"a\\ud800","empty":""}'
  expect(attributes({ own: { ...none, id }, body })).toMatchObject({ id: null })
})

test('an id of 1,024 characters and a type of 256 are kept, a longer type is not', () => {
  const own = (typeLength: number): Mapping => ({
    ...none,
    id: { constant: 'i'.repeat(1_024) },
    type: { constant: 't'.repeat(typeLength) },
  })
  expect(attributes({ own: own(256) })).toMatchObject({ id: 'i'.repeat(1_024), type: 't'.repeat(256) })
  expect(attributes({ own: own(257) })).toMatchObject({ type: null })
})

test('a declared CloudEvent says what it is, in either mode', () => {
  const expected = { id: 'e1', source: '/shop', type: 'order.paid', subject: null, isIdOfSource: true }
  const inBody = attributes({ headers: structured, body: JSON.stringify({ ...event, tenant: 'a' }) })
  expect(inBody).toMatchObject({ ...expected, extensions: '{"tenant":"a"}', data: Buffer.from('{"total":1}') })
  const headers = { 'ce-specversion': '1.0', 'ce-id': 'e1', 'ce-source': '/shop', 'ce-type': 'order.paid' }
  const body = '{"total":1}'
  expect(attributes({ headers, body })).toMatchObject({ ...expected, extensions: null, data: Buffer.from(body) })
})

test("the owner's mapping comes before a declared CloudEvent, and that before the preset", () => {
  const own: Mapping = { ...none, type: { constant: 'own' } }
  const preset: Mapping = { id: { constant: 'p' }, type: { constant: 'p' }, subject: { constant: 'p' } }
  const given = { own, preset, headers: structured, body: JSON.stringify(event) }
  expect(attributes(given)).toMatchObject({ id: 'e1', type: 'own', subject: 'p', isIdOfSource: true })
  expect(attributes({ ...given, own: { ...own, id: { constant: 'o' } } })).toMatchObject({
    id: 'o',
    isIdOfSource: false,
  })
})

test('an event that is declared and invalid is refused, and so is a batch', () => {
  const { type: _, ...typeless } = event
  expect(attributes({ headers: structured, body: JSON.stringify(typeless) })).toMatchObject({
    reason: 'BODY_MALFORMED',
    problem: { status: 400, code: 'EVENT_MALFORMED' },
  })
  const headers = { 'content-type': 'application/cloudevents-batch+json' }
  const refused = { reason: 'FORMAT_NOT_ACCEPTED', problem: { status: 415, code: 'FORMAT_NOT_ACCEPTED' } }
  expect(attributes({ headers, body: '[]' })).toMatchObject(refused)
  const avro = { 'content-type': 'application/cloudevents+avro' }
  expect(attributes({ headers: avro, body: 'x' })).toMatchObject(refused)
})
