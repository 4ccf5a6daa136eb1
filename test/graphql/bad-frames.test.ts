import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Source } from '../../src/sources/index.ts'
import { until } from '../support/until.ts'
import { dataOf, type Loose } from './client.ts'
import { type Gateway, type Project, startGateway } from './gateway.ts'
import { opcodes, openRawSocket, type RawFrame, type RawSocket, type UpgradeOptions } from './raw-socket.ts'

/*
 * What a client may do wrong on a WebSocket, frame by frame: each row says what goes in and which answer or close code
 * comes out. Afterwards a witness, another client's socket, is served as before.
 */

interface World {
  readonly gateway: Gateway
  readonly source: Source
  readonly dropped: Source
  readonly token: string
  /** The places before and after the first message, of a source of another project, and one that is not reached yet. */
  readonly cursors: { readonly expired: string; readonly foreign: string; readonly future: string }
}

const opened: RawSocket[] = []
let world: World
let witness: RawSocket

beforeAll(async () => {
  const gateway = await startGateway()
  const project = await gateway.newProject()
  const { token } = await project.key(['admin'])
  const [source, dropped] = [await project.source(), await project.source('dropped')]
  world = { gateway, source, dropped, token, cursors: await cursorsOf(gateway, project, { token, dropped }) }
  witness = await openReady()
})

afterAll(async () => {
  for (const socket of opened) socket.destroy()
  await world.gateway.close()
})

async function cursorsOf(
  gateway: Gateway,
  project: Project,
  { token, dropped }: Pick<World, 'token' | 'dropped'>,
): Promise<World['cursors']> {
  const stranger = await gateway.newProject()
  const strange = await stranger.key(['admin'])
  const place = async (source: Source, key: string) => {
    const query = `query ($id: ID!) { source(by: { id: $id }) { messages(first: 1) { edges { cursor } } } }`
    const data = await dataOf({ baseUrl: gateway.baseUrl, token: key }, query, { id: source.id })
    return String(data.source.messages.edges[0].cursor)
  }
  const [theirs, cut] = [await stranger.source(), await project.source('cut')]
  for (const source of [dropped, cut]) await project.message(source)
  await stranger.message(theirs)
  const cursors = {
    foreign: await place(theirs, strange.token),
    expired: await place(dropped, token),
    future: await place(cut, token),
  }
  for (let n = 0; n < 3; n += 1) await project.message(dropped)
  await gateway.sql.query('update source_heads set first_sequence = 4 where source_id = $1', [dropped.id])
  await gateway.sql.query('update source_heads set last_sequence = 0 where source_id = $1', [cut.id])
  return cursors
}

async function open(options: UpgradeOptions = {}): Promise<RawSocket> {
  const socket = await openRawSocket(world.gateway.baseUrl, options)
  opened.push(socket)
  return socket
}

async function openReady(): Promise<RawSocket> {
  const socket = await open()
  socket.send(init())
  await until(() => messagesOf(socket), [{ type: 'connection_ack' }])
  return socket
}

function messagesOf({ received }: RawSocket): Loose[] {
  return received.filter(({ opcode }) => opcode === opcodes.text).map(({ payload }) => JSON.parse(String(payload)))
}

const message = (content: unknown): RawFrame => ({ payload: JSON.stringify(content) })
const init = (authorization: unknown = `Bearer ${world.token}`) =>
  message({ type: 'connection_init', payload: { authorization } })
const subscribe = (query: string, variables: object = {}, id = '1') =>
  message({ type: 'subscribe', id, payload: { query, variables } })
const stream = 'subscription ($ids: [ID!]!) { messageReceived(sourceIds: $ids) { __typename } }'
const streaming = (id = '1') => subscribe(stream, { ids: [world.source.id] }, id)

let asked = 0

/** Whether an operation is answered as it should be on this socket. */
async function expectServed(socket: RawSocket): Promise<void> {
  asked += 1
  const id = `asked ${asked}`
  socket.send(subscribe('{ viewer { name } }', {}, id))
  await until(
    () => messagesOf(socket).filter((frame) => frame.id === id),
    [
      { type: 'next', id, payload: { data: { viewer: { name: 'test' } } } },
      { type: 'complete', id },
    ],
    { timeoutMs: 10_000 },
  )
}

const { binary, ping, pong, close, continuation } = opcodes
const closeFrame = (code: number, reason: string | Buffer = ''): RawFrame => {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(code)
  return { opcode: close, payload: Buffer.concat([bytes, Buffer.from(reason)]) }
}

type Frames = readonly RawFrame[] | (() => readonly RawFrame[])
const framesOf = (frames: Frames) => (typeof frames === 'function' ? frames() : frames)

describe.concurrent('frames that end the socket, and the code that says why', () => {
  test.each<[string, Frames, number]>([
    ['text that is not JSON', [{ payload: 'nonsense' }], 4400],
    ['nothing at all', [{}], 4400],
    ['null', [message(null)], 4400],
    ['a list', [message([{ type: 'connection_init' }])], 4400],
    ['no type', [message({ id: '1' })], 4400],
    ['a type that there is not', [message({ type: 'start' })], 4400],
    ['a type that is the server’s', [message({ type: 'connection_ack' })], 4400],
    ['an init whose payload is a list', [message({ type: 'connection_init', payload: [] })], 4400],
    ['binary that is not JSON', [{ opcode: binary, payload: Buffer.from([0, 255]) }], 4400],
    ['an init without a key', [message({ type: 'connection_init' })], 4401],
    ['an init with a key that is a number', () => [init(1)], 4401],
    ['an init with a key that does not hold', () => [init('Bearer hk_nonsense')], 4403],
    ['a subscription before the init', () => [streaming()], 4401],
    ['two inits', () => [init(), init()], 4429],
    ['no init in time', [], 4408],
    ['a frame of over a megabyte, before it has come', [{ claimedBytes: 1_048_577 }], 1009],
    ['a frame of 2^62 bytes', [{ claimedBytes: 2 ** 62 }], 1009],
    [
      'fragments of over a megabyte together',
      [
        { isFinal: false, payload: 'x'.repeat(600_000) },
        { opcode: continuation, payload: 'x'.repeat(600_000) },
      ],
      1009,
    ],
    ['a frame without a mask', () => [{ ...init(), isMasked: false }], 1002],
    ['reserved bits', () => [{ ...init(), reserved: 4 }], 1002],
    ['a reserved kind of frame', [{ opcode: 3 }], 1002],
    ['a reserved kind of control frame', [{ opcode: 11 }], 1002],
    ['a continuation of nothing', [{ opcode: continuation, payload: '{}' }], 1002],
    ['a message within the fragments of another', [{ isFinal: false, payload: '{' }, { payload: '{}' }], 1002],
    ['a ping in fragments', [{ opcode: ping, isFinal: false }], 1002],
    ['a ping of 126 bytes', [{ opcode: ping, payload: 'x'.repeat(126) }], 1002],
    ['text that is not UTF-8', [{ payload: Buffer.from([0x22, 0xc3, 0x28, 0x22]) }], 1007],
    ['a close code of one byte', [{ opcode: close, payload: 'x' }], 1002],
    ['a close code that only stands for its absence', [closeFrame(1005)], 1002],
    ['a reason that is not UTF-8', [closeFrame(1000, Buffer.from([0xc3, 0x28]))], 1007],
    ['a farewell', [closeFrame(1000, 'bye')], 1000],
  ])('%s', async (_name, frames, code) => {
    const socket = await open()
    socket.send(...framesOf(frames))
    expect(await socket.closed).toBe(code)
    await expectServed(witness)
  })

  test.each<[string, Frames, number]>([
    ['the same id twice', () => [streaming(), streaming()], 4409],
    ['a subscription without an id', [message({ type: 'subscribe', payload: { query: '{ __typename }' } })], 4400],
    ['an empty id', () => [streaming('')], 4400],
    ['an id that is a number', [message({ type: 'subscribe', id: 1, payload: { query: '{ __typename }' } })], 4400],
    ['a subscription without a payload', [message({ type: 'subscribe', id: '1' })], 4400],
    ['a query that is a number', [message({ type: 'subscribe', id: '1', payload: { query: 1 } })], 4400],
    ['variables in a list', [subscribe('{ __typename }', [])], 4400],
    [
      'variables that are a text',
      [message({ type: 'subscribe', id: '1', payload: { query: '{ __typename }', variables: 'x' } })],
      4400,
    ],
    [
      'an operation name that is a list',
      [message({ type: 'subscribe', id: '1', payload: { query: '{ __typename }', operationName: [] } })],
      4400,
    ],
    ['a ping whose payload is a text', [message({ type: 'ping', payload: 'x' })], 4400],
  ])('after the init: %s', async (_name, frames, code) => {
    const socket = await openReady()
    socket.send(...framesOf(frames))
    expect(await socket.closed).toBe(code)
    await expectServed(witness)
  })
})

const nested = (depth: number) => `{ viewer ${'{ sources '.repeat(depth)} { id } ${'}'.repeat(depth)} }`
const pageAfter =
  'query ($name: String!, $after: Cursor) { source(by: { name: $name }) { messages(after: $after) { nodes { id } } } }'
const streamAfter = `subscription ($ids: [ID!]!, $after: [Cursor!]) { messageReceived(sourceIds: $ids, after: $after) { __typename } }`
const streamFrom = (after: () => string) => () => [subscribe(streamAfter, { ids: [world.source.id], after: [after()] })]
const createSource = 'mutation ($input: CreateSourceInput!) { createSource(input: $input) { __typename } }'

describe.concurrent('operations that are answered with an error, on a socket that stays', () => {
  test.each<[string, Frames, string]>([
    ['a syntax error', [subscribe('{')], 'BAD_USER_INPUT'],
    ['no operation', [subscribe('')], 'BAD_USER_INPUT'],
    ['an unknown field', [subscribe('{ nonsense }')], 'BAD_USER_INPUT'],
    ['fields nested 17 deep', [subscribe(nested(15))], 'QUERY_TOO_LARGE'],
    [
      '101 aliases',
      [subscribe(`{ ${Array.from({ length: 101 }, (_, n) => `a${n}: __typename`).join(' ')} }`)],
      'QUERY_TOO_LARGE',
    ],
    ['5,000 tokens', [subscribe(`{ ${'a '.repeat(5_000)} }`)], 'QUERY_TOO_LARGE'],
    [
      'a subscription to two things',
      [subscribe('subscription { a: deliveryUpdated { id } b: deliveryUpdated { id } }')],
      'BAD_USER_INPUT',
    ],
    ['two operations without a name', [subscribe('query a { __typename } query b { __typename }')], 'BAD_USER_INPUT'],
    ['a variable of a wrong type', [subscribe(stream, { ids: { a: 1 } })], 'BAD_USER_INPUT'],
    ['a variable that is missing', [subscribe(stream)], 'BAD_USER_INPUT'],
    ['no source', [subscribe(stream, { ids: [] })], 'BAD_USER_INPUT'],
    ['a source that there is not', [subscribe(stream, { ids: ['src_nonsense'] })], 'NOT_FOUND'],
    ['`first` below zero', [subscribe('{ deliveries(first: -1) { nodes { id } } }')], 'BAD_USER_INPUT'],
    ['`first` of a billion', [subscribe('{ deliveries(first: 1000000000) { nodes { id } } }')], 'BAD_USER_INPUT'],
    ['NUL in a variable', [subscribe(pageAfter, { name: 'a\0' })], 'BAD_USER_INPUT'],
    ['NUL in the document', [subscribe('{ source(by: { name: "\\u0000" }) { id } }')], 'BAD_USER_INPUT'],
    [
      'half of a character',
      [
        {
          payload: `{"type":"subscribe","id":"1","payload":{"query":"{ source(by: { name: \\"\\\\uD800\\" }) { id } }"}}`,
        },
      ],
      'BAD_USER_INPUT',
    ],
    ['a mutation with a wrong input', [subscribe(createSource, { input: { name: 1 } })], 'BAD_USER_INPUT'],
    ['a cursor that is garbage', streamFrom(() => 'garbage'), 'BAD_USER_INPUT'],
    ['a cursor of another project', streamFrom(() => world.cursors.foreign), 'BAD_USER_INPUT'],
    [
      'a cursor of the future',
      () => [subscribe(pageAfter, { name: 'cut', after: world.cursors.future })],
      'BAD_USER_INPUT',
    ],
    [
      'a page after what is not kept',
      () => [subscribe(pageAfter, { name: 'dropped', after: world.cursors.expired })],
      'CURSOR_EXPIRED',
    ],
  ])('%s', async (_name, frames, code) => {
    const socket = await openReady()
    socket.send(...framesOf(frames))
    const codes = () =>
      messagesOf(socket)
        .filter((frame) => frame.id === '1' && frame.type !== 'complete')
        .flatMap(({ type, payload }) => (type === 'error' ? payload : payload.errors))
        .map((error) => error.extensions.code)
    await until(codes, [code])
    await expectServed(socket)
    await expectServed(witness)
  })
})

describe.concurrent('what is unusual and right', () => {
  test('an init in fragments, with a ping between them', async () => {
    const socket = await open()
    const { payload = '' } = init()
    socket.send(
      { isFinal: false, payload: payload.slice(0, 10) },
      { opcode: ping, payload: 'between' },
      { isFinal: false, opcode: continuation, payload: payload.slice(10, 20) },
      { opcode: continuation, payload: payload.slice(20) },
    )
    await until(() => messagesOf(socket), [{ type: 'connection_ack' }])
    expect(socket.received[0]).toEqual({ opcode: pong, payload: Buffer.from('between') })
    await expectServed(socket)
  })

  test('pings with any bytes come back as they are, pongs that nobody asked for do no harm', async () => {
    const socket = await openReady()
    const payloads = [Buffer.alloc(0), Buffer.from([0, 255, 0xc3]), Buffer.alloc(125, 7)]
    socket.send({ opcode: pong, payload: 'unasked' }, ...payloads.map((payload) => ({ opcode: ping, payload })))
    const pongs = () => socket.received.filter(({ opcode }) => opcode === pong).map(({ payload }) => payload)
    await until(pongs, payloads)
    socket.send(message({ type: 'ping', payload: { a: [null] } }), message({ type: 'pong' }))
    await until(() => messagesOf(socket).at(-1), { type: 'pong', payload: { a: [null] } })
    await expectServed(socket)
  })

  test('an id may be used again when its operation is complete, and completed when there is none', async () => {
    const socket = await openReady()
    const begun = () => messagesOf(socket).filter(({ id, type }) => id === '1' && type === 'next').length
    socket.send(message({ type: 'complete', id: 'never begun' }), streaming())
    await until(begun, 1)
    socket.send(message({ type: 'complete', id: '1' }), streaming())
    await until(begun, 2)
    await expectServed(socket)
  })

  test('queries and mutations go over the socket as well', async () => {
    const socket = await openReady()
    socket.send(subscribe(createSource, { input: { name: 'by-socket' } }))
    await until(
      () => messagesOf(socket).slice(1),
      [
        { id: '1', type: 'next', payload: { data: { createSource: { __typename: 'SourcePayload' } } } },
        { id: '1', type: 'complete' },
      ],
    )
  })

  test('a stream after what is not kept begins with what was skipped', async () => {
    const socket = await openReady()
    socket.send(subscribe(streamAfter, { ids: [world.dropped.id], after: [world.cursors.expired] }))
    await until(
      () => messagesOf(socket).map(({ payload }) => payload?.data.messageReceived.__typename),
      [undefined, 'MessagesSkipped', 'MessageReceived', 'CaughtUp'],
    )
  })

  test('who does not answer the close frame is cut off', async () => {
    const socket = await open({ answersClose: false })
    socket.send(message(null))
    expect(await socket.closed).toBe(4400)
    await expectServed(witness)
  })

  test('who hangs up half, without a word, is let go with what it subscribed', async () => {
    const socket = await openReady()
    socket.send(streaming())
    await until(() => messagesOf(socket).length, 2)
    socket.halfClose()
    expect(await socket.closed).toBeNull()
    await expectServed(witness)
  })

  test('of 10,000 subscriptions on one socket a hundred run, each of the others is refused, and nobody is held up', async () => {
    const socket = await openReady()
    socket.send(...Array.from({ length: 10_000 }, (_, n) => streaming(`${n}`)))
    await expectServed(witness)
    const idsOf = (type: string) => messagesOf(socket).flatMap((frame) => (frame.type === type ? [frame.id] : []))
    // One that fails otherwise, on a machine that is too busy, leaves its place to another.
    const running = () => new Set(idsOf('next')).difference(new Set(idsOf('complete'))).size
    await until(() => [running(), new Set([...idsOf('next'), ...idsOf('error')]).size], [100, 10_000], { everyMs: 200 })
    const codes = messagesOf(socket).flatMap(({ type, payload }) =>
      type === 'error' ? [payload[0].extensions.code] : [],
    )
    expect(new Set(codes)).toEqual(new Set(['QUERY_TOO_LARGE']))
  })
})

describe.concurrent('upgrades', () => {
  test.each<[string, UpgradeOptions, number]>([
    ['of a page of another origin', { headers: { origin: 'https://elsewhere.example' } }, 403],
    ['of a page without an origin', { headers: { origin: 'null' } }, 403],
    ['of a page that is served here', { headers: { origin: 'https://hooks.example' } }, 101],
    ['elsewhere', { path: '/elsewhere' }, 404],
    ['without a key', { headers: { 'sec-websocket-key': null } }, 400],
    ['with a key that is too short', { headers: { 'sec-websocket-key': 'AAAA' } }, 400],
    ['of an older version', { headers: { 'sec-websocket-version': '7' } }, 400],
    ['to something else', { headers: { upgrade: 'h3c' } }, 400],
  ])('%s', async (_name, options, status) => {
    expect((await open(options)).status).toBe(status)
    await expectServed(witness)
  })

  test.each([null, 'graphql-ws', 'soap'])('with the subprotocol %s close with 4406', async (protocol) => {
    const socket = await open({ headers: { 'sec-websocket-protocol': protocol } })
    expect(await socket.closed).toBe(4406)
    await expectServed(witness)
  })

  test('with the key in a header need none in the init', async () => {
    const socket = await open({ headers: { authorization: `Bearer ${world.token}` } })
    socket.send(message({ type: 'connection_init' }))
    await until(() => messagesOf(socket), [{ type: 'connection_ack' }])
    await expectServed(socket)
  })
})
