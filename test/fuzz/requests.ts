import { createHash, createHmac } from 'node:crypto'
import fc from 'fast-check'

/** An address to send to; with a secret, requests are often signed rightly, so that they get past the door. */
export interface Target {
  readonly path: string
  /** Of GitHub's scheme. */
  readonly githubSecret?: string
  /** Sent as they are, most of the time. */
  readonly headers?: readonly (readonly [string, string])[]
}

export interface FuzzRequest {
  readonly bytes: Buffer
  readonly body: Buffer
  /** Whether what is announced is what is sent: then an acceptance means that exactly `body` was stored. */
  readonly isWellFramed: boolean
}

const jsonTexts = fc.oneof(
  fc.json(),
  fc.constantFrom(
    '{"type":"order.created","subject":"orders/7","id":"e-1"}',
    '{"type":"url_verification","challenge":"abc"}',
    '{"type":1}',
    '{"event":"endpoint.url_validation","payload":{"plainToken":"p"}}',
    '{"value":[{"clientState":"s"}]}',
    '{"value":{"length":1e9}}',
    '{"a":1e131071}',
    '{"id":12345678901234567890,"type":-0}',
    '{"__proto__":{"type":"x"},"constructor":{"prototype":1}}',
    '{"type":"\\u0000","subject":"\\ud800"}',
    '{"a":',
    '\u{feff}{}',
    '[]',
    'null',
    '',
  ),
  fc.constantFrom(500, 501, 5_000, 100_000).map((depth) => '['.repeat(depth) + ']'.repeat(depth)),
  fc.constantFrom(1_000, 30_000).map((depth) => `${'{"type":'.repeat(depth)}1${'}'.repeat(depth)}`),
)

const eventMembers = fc.record(
  {
    specversion: fc.constantFrom<unknown>('1.0', '1.0', '1.0', '1.1', '', 1),
    id: fc.oneof(fc.string(), fc.constantFrom<unknown>('e-1', '', null, 7)),
    source: fc.constantFrom<unknown>('/shop', 'urn:x', '', ' ', null),
    type: fc.oneof(fc.constantFrom<unknown>('order.created', 'checked.type', '', 3), fc.string({ unit: 'binary' })),
    subject: fc.string({ unit: 'binary' }),
    time: fc.constantFrom<unknown>('2026-01-01T00:00:00Z', '2026-13-01T00:00:00Z', 'now', 5),
    datacontenttype: fc.constantFrom<unknown>('application/json', 'text/plain', 'x', ''),
    dataschema: fc.constantFrom<unknown>('https://example.com/s', 'relative', ''),
    data: fc.jsonValue(),
    data_base64: fc.constantFrom<unknown>('aGVsbG8=', '%%', 4),
    operation: fc.constantFrom<unknown>('add', 2 ** 31, 1.5, true, {}),
    Upper: fc.string(),
  },
  { requiredKeys: ['specversion', 'id', 'source', 'type'] },
)

const bodies: fc.Arbitrary<Buffer> = fc.oneof(
  { weight: 4, arbitrary: jsonTexts.map((text) => Buffer.from(text)) },
  { weight: 3, arbitrary: eventMembers.map((event) => Buffer.from(JSON.stringify(event))) },
  {
    weight: 1,
    arbitrary: fc.array(eventMembers, { maxLength: 5 }).map((events) => Buffer.from(JSON.stringify(events))),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)) },
  { weight: 1, arbitrary: fc.webQueryParameters().map((text) => Buffer.from(text)) },
  { weight: 1, arbitrary: fc.constantFrom(0, 65_536, 1_048_576, 1_048_577).map((length) => Buffer.alloc(length, 32)) },
)

const contentTypes = fc.constantFrom(
  'application/json',
  'application/json; charset=utf-8',
  'application/cloudevents+json',
  'Application/CloudEvents+JSON; charset=latin1',
  'application/cloudevents-batch+json',
  'application/cloudevents+avro',
  'application/x-www-form-urlencoded',
  'text/plain',
  'multipart/form-data; boundary=x',
  '',
  ';',
)

// What a header's value may hold on the wire, and what it may not.
const values = fc.oneof(
  fc.string({ maxLength: 60 }).map((text) => text.replace(/[\r\n]/g, '')),
  fc.uint8Array({ maxLength: 40 }).map((bytes) =>
    Buffer.from(bytes)
      .toString('latin1')
      .replace(/[\r\n\0]/g, ''),
  ),
  fc.constantFrom(
    '',
    `sha256=${'0'.repeat(64)}`,
    't=1,v1=00',
    't=1614265330abc,v1=',
    'v0=',
    `v1,${'A'.repeat(43)}=`,
    Array.from({ length: 200 }, () => 'v1,AAAA').join(' '),
    '1e9',
    '-1',
    String(Math.floor(Date.now() / 1000)),
    `Basic ${Buffer.from('user:pass').toString('base64')}`,
    'Basic %%%',
    'Bearer',
    `Bearer ${'x'.repeat(32)}`,
    '"quoted"',
    '"unterminated',
    'a'.repeat(257),
    'for=192.0.2.1;proto=https, for="[2001:db8::1]:80"',
    '%C0%A0',
    'Euro%20%E2%82%AC',
    '1.0',
    '100-continue',
    'gzip',
    'identity',
  ),
)

const names = fc.constantFrom(
  'Idempotency-Key',
  'X-Hub-Signature-256',
  'X-GitHub-Delivery',
  'X-GitHub-Event',
  'Stripe-Signature',
  'X-Slack-Signature',
  'X-Slack-Request-Timestamp',
  'webhook-id',
  'webhook-timestamp',
  'webhook-signature',
  'svix-id',
  'X-Twilio-Signature',
  'X-Signature-Ed25519',
  'X-Signature-Timestamp',
  'X-Gitlab-Token',
  'x-zm-signature',
  'Paddle-Signature',
  'Authorization',
  'X-Api-Key',
  'X-Forwarded-For',
  'Forwarded',
  'Content-Encoding',
  'WebHook-Request-Origin',
  'WebHook-Request-Rate',
  'ce-id',
  'ce-source',
  'ce-type',
  'ce-specversion',
  'ce-subject',
  'ce-time',
  'ce-data',
  'ce-datacontenttype',
  'ce-operation',
  'Content-Type',
  'Expect',
)

const methods = fc.oneof(
  { weight: 12, arbitrary: fc.constant('POST') },
  { weight: 3, arbitrary: fc.constantFrom('GET', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS') },
  { weight: 1, arbitrary: fc.constantFrom('TRACE', 'PROPFIND', 'FOO', 'post', '') },
)

const suffixes = fc.oneof(
  { weight: 6, arbitrary: fc.constant('') },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      '/orders/7',
      '?a=1&a=2&__proto__=3',
      '?validationToken=abc%20def',
      '?validationToken=%',
      '?challenge=xyz',
      '?hub.mode=subscribe&hub.verify_token=t&hub.challenge=c',
      '?access_token=x',
      '?bodySHA256=zz',
      '/%00/..%2f',
      '//',
      `/${'a'.repeat(5_000)}`,
    ),
  },
  { weight: 1, arbitrary: fc.webPath().map((path) => path.replace(/[^!-~]/g, '')) },
)

const framings = fc.oneof(
  { weight: 24, arbitrary: fc.constant('length' as const) },
  { weight: 8, arbitrary: fc.constant('chunked' as const) },
  { weight: 1, arbitrary: fc.constantFrom('two lengths', 'both', 'too long', 'too short', 'none', 'bad chunk') },
)

/** Requests of all kinds to these targets. */
export function requestsTo(targets: readonly Target[]): fc.Arbitrary<FuzzRequest> {
  const parts = fc.record({
    target: fc.constantFrom(...targets),
    method: methods,
    suffix: suffixes,
    body: bodies,
    contentType: fc.option(contentTypes, { freq: 6 }),
    headers: fc.oneof(fc.constant<[string, string][]>([]), fc.array(fc.tuple(names, values), { maxLength: 4 })),
    keepsHeaders: fc.integer({ min: 0, max: 9 }).map((number) => number > 0),
    isSigned: fc.integer({ min: 0, max: 9 }).map((number) => number > 2),
    key: fc.option(fc.constantFrom('k-1', 'k-2', '"k-3"'), { freq: 3 }),
    framing: framings,
  })
  return parts.map(requestOf)
}

type Parts = Readonly<{
  target: Target
  method: string
  suffix: string
  body: Buffer
  contentType: string | null
  headers: [string, string][]
  keepsHeaders: boolean
  isSigned: boolean
  key: string | null
  framing: string
}>

function requestOf(parts: Parts): FuzzRequest {
  const { target, method, suffix, body, framing } = parts
  const own = parts.keepsHeaders ? (target.headers ?? []) : []
  const signature = createHmac('sha256', target.githubSecret ?? '')
    .update(body)
    .digest('hex')
  const fields: (readonly [string, string])[] = [
    ['Host', 'localhost'],
    ...own,
    ...(target.githubSecret !== undefined && parts.isSigned
      ? [['X-Hub-Signature-256', `sha256=${signature}`] as const]
      : []),
    ...(parts.contentType === null ? [] : [['Content-Type', parts.contentType] as const]),
    ...(parts.key === null ? [] : [['Idempotency-Key', `${parts.key}-${hashOf(body)}`] as const]),
    ...parts.headers,
    ...framingFields(framing, body),
  ]
  const head = `${method} ${target.path}${suffix} HTTP/1.1\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
  return {
    bytes: Buffer.concat([Buffer.from(head, 'latin1'), framed(framing, body)]),
    body,
    isWellFramed: framing === 'length' || framing === 'chunked',
  }
}

const hashOf = (body: Buffer) => createHash('sha256').update(body).digest('hex').slice(0, 8)

function framingFields(framing: string, body: Buffer): [string, string][] {
  const length: [string, string] = ['Content-Length', String(body.length)]
  const chunked: [string, string] = ['Transfer-Encoding', 'chunked']
  switch (framing) {
    case 'length':
      return [length]
    case 'two lengths':
      return [length, ['Content-Length', String(body.length + 1)]]
    case 'both':
      return [length, chunked]
    case 'too long':
      return [['Content-Length', String(body.length + 10)]]
    case 'too short':
      return [['Content-Length', String(Math.max(0, body.length - 1))]]
    case 'none':
      return []
    default:
      return [chunked]
  }
}

function framed(framing: string, body: Buffer): Buffer {
  if (framing === 'bad chunk') return Buffer.concat([Buffer.from('zz\r\n'), body])
  if (framing !== 'chunked' && framing !== 'both') return body
  const head = body.length === 0 ? '' : `${body.length.toString(16)}\r\n`
  return Buffer.concat([Buffer.from(head), body, Buffer.from(body.length === 0 ? '0\r\n\r\n' : '\r\n0\r\n\r\n')])
}
