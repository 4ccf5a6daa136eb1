import { createClient } from 'graphql-ws'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import type { Scope } from '../../src/auth/index.ts'
import type { Source } from '../../src/sources/index.ts'
import { until } from '../support/until.ts'
import { codesOf, type Loose, overEventStream, overWebSocket, type Subscription, type Target } from './client.ts'
import { type Gateway, type NewKey, type Project, startGateway } from './gateway.ts'

/*
 * Subscribers who would be told the same share one execution. Here they stand beside subscribers who would not, with the
 * same document and the same messages, and each must get what it would get alone.
 */

let gateway: Gateway
let project: Project
let source: Source
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway.close())
beforeEach(async () => {
  project = await gateway.newProject()
  source = await project.source('orders')
})

async function targetOf(scopes: readonly Scope[], options: NewKey = {}, of = project): Promise<Target> {
  return { baseUrl: gateway.baseUrl, token: (await of.key(scopes, options)).token }
}

/** Two over each transport, which have seen the end of the backlog. */
async function crowdOf(target: Target, query: string, variables: object): Promise<Subscription[]> {
  const crowd = [overWebSocket, overEventStream, overWebSocket, overEventStream].map((transport) =>
    transport(target, query, { ...variables }),
  )
  for (const subscription of crowd) {
    for (let left = sourceCountOf(variables); left > 0; left -= 1) await subscription.next()
  }
  return crowd
}

function sourceCountOf({ sourceIds }: { sourceIds?: readonly string[] }): number {
  return sourceIds?.length ?? 1
}

/** The next result of all, who must get the same. */
async function sameNext(crowd: readonly Subscription[]): Promise<Loose> {
  const [first, ...others] = await Promise.all(crowd.map((subscription) => subscription.next()))
  for (const other of others) expect(other).toEqual(first)
  return first
}

function subscriptionTo(fields: string, { variables = '', args = '' } = {}): string {
  return `subscription Events($sourceIds: [ID!]!, $after: [Cursor!]${variables}) {
    messageReceived(sourceIds: $sourceIds, after: $after${args}) { __typename cursor ${fields} }
  }`
}

const messageFields = (fields: string) => `... on MessageReceived { message { ${fields} } }`

describe('an event is executed once', () => {
  const query = subscriptionTo('source { lastSequence }')

  test('for all with the same document, variables and rights, over both transports', async () => {
    const crowd = [
      ...(await crowdOf(await targetOf(['admin']), query, { sourceIds: [source.id] })),
      ...(await crowdOf(await targetOf(['admin']), query, { sourceIds: [source.id] })),
    ]
    const statements = await gateway.statementsOf(async () => {
      await project.message(source)
      expect((await sameNext(crowd)).data.messageReceived).toMatchObject({ source: { lastSequence: 1 } })
    })
    expect(statements).toHaveLength(1)
  })

  test('also for those who began elsewhere', async () => {
    const target = await targetOf(['admin'])
    const crowd = await crowdOf(target, query, { sourceIds: [source.id] })
    await project.message(source)
    const { cursor } = (await sameNext(crowd)).data.messageReceived
    const resumed = await crowdOf(target, query, { sourceIds: [source.id], after: [cursor] })
    const statements = await gateway.statementsOf(async () => {
      await project.message(source)
      await sameNext([...crowd, ...resumed])
    })
    expect(statements).toHaveLength(1)
  })
})

describe('those who share get what one alone gets', () => {
  test.each([
    [
      'all of a message',
      messageFields('id sequence receivedAt method path query headers { name value } body text json'),
    ],
    ['its attributes', messageFields('event { id source type subject time extensions }')],
    ['its source', `source { id name ingressUrl lastSequence messages(first: 1) { nodes { id } } }`],
    ['another name of the root field', messageFields('id'), 'mine: messageReceived'],
    ['a directive with a variable', `source { id } ${messageFields('text @include(if: $yes) json @skip(if: $yes)')}`],
    [
      'a fragment',
      `...Event } } fragment Event on MessageEvent { source { name ...Name } ${messageFields('id')} } fragment Name on Source { id name @include(if: $yes)`,
    ],
  ])('%s', async (_what, fields, root = 'messageReceived') => {
    const yes = fields.includes('$yes') ? ', $yes: Boolean!' : ''
    const braces = fields.includes('fragment') ? '}' : '} }'
    const query = `subscription ($sourceIds: [ID!]!${yes}) { ${root}(sourceIds: $sourceIds) { __typename cursor ${fields} ${braces}`
    const target = await targetOf(['admin'])
    const variables = { sourceIds: [source.id], ...(yes === '' ? {} : { yes: true }) }
    const crowd = await crowdOf(target, query, variables)
    // Another text is another document.
    const alone = overWebSocket(target, `${query} # alone`, variables)
    await alone.next()
    await project.message(source, { body: Buffer.from('{"text":"ü"}') })
    const result = await sameNext([...crowd, alone])
    expect(result.errors).toBeUndefined()
  })

  test('an answer that is too large, which those who ask for less are not told of', async () => {
    const query = subscriptionTo(
      messageFields(
        'bodyBytes body @include(if: $all) b: body @include(if: $all) c: body @include(if: $all) d: body @include(if: $all) e: body @include(if: $all)',
      ),
      {
        variables: ', $all: Boolean!',
      },
    )
    const target = await targetOf(['listen'])
    const modest = await crowdOf(target, query, { sourceIds: [source.id], all: false })
    const greedy = await crowdOf(target, query, { sourceIds: [source.id], all: true })
    await project.message(source, { body: Buffer.alloc(9 * 1024 * 1024) })
    const refused = await sameNext(greedy)
    expect(codesOf(refused)).toEqual(['QUERY_TOO_LARGE'])
    expect(refused.errors[0].path).toEqual(['messageReceived', 'message', 'e'])
    expect((await sameNext(modest)).data.messageReceived.message).toEqual({ bodyBytes: 9 * 1024 * 1024 })
  })

  test('a text that would end a frame or an event stays a text', async () => {
    const crowd = await crowdOf(await targetOf(['listen']), subscriptionTo(messageFields('text')), {
      sourceIds: [source.id],
    })
    const text = '"}}\n\ndata: x\r\n\u2028event: complete\n\n'
    await project.message(source, { body: Buffer.from(text) })
    expect((await sameNext(crowd)).data.messageReceived.message).toEqual({ text })
  })

  test('the id of a subscription is written as its client wrote it', async () => {
    const target = await targetOf(['listen'])
    const socket = new WebSocket(`${gateway.baseUrl.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
    const frames: Loose[] = []
    socket.on('message', (data) => frames.push(JSON.parse(String(data))))
    await new Promise((resolve) => socket.once('open', resolve))
    socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${target.token}` } }))
    await until(() => frames.length, 1)
    const ids = ['a"}', '\u0000ü\\', '1']
    const payload = { query: subscriptionTo(messageFields('sequence')), variables: { sourceIds: [source.id] } }
    for (const id of ids) socket.send(JSON.stringify({ id, type: 'subscribe', payload }))
    await until(() => frames.length, 4)
    await project.message(source)
    await until(() => frames.length, 7)
    expect(
      frames
        .slice(4)
        .map(({ id }) => id)
        .sort(),
    ).toEqual([...ids].sort())
    for (const frame of frames.slice(4)) {
      expect(Object.keys(frame)).toEqual(['id', 'type', 'payload'])
      expect(frame.payload.data.messageReceived.message).toEqual({ sequence: 1 })
    }
    socket.terminate()
  })
})

describe('nothing leaks to those who may not see it', () => {
  test('other scopes', async () => {
    const query = subscriptionTo('source { ingressUrl }')
    const variables = { sourceIds: [source.id] }
    const crowds = await Promise.all(
      (
        [
          ['listen', 'manage'],
          ['listen', 'read'],
        ] as const
      ).map(async (scopes) => await crowdOf(await targetOf(scopes), query, variables)),
    )
    await project.message(source)
    const [manage, read] = await Promise.all(crowds.map(sameNext))
    expect(manage.data.messageReceived.source.ingressUrl).toContain('https://hooks.example/in/')
    expect(read.data.messageReceived.source.ingressUrl).toBeNull()
  })

  test('a scope that is lacking: the error goes to those alone who lack it', async () => {
    const query = subscriptionTo(messageFields('id deliveries(first: 1) { nodes { id } }'))
    const variables = { sourceIds: [source.id] }
    const readers = await crowdOf(await targetOf(['listen', 'read']), query, variables)
    const listeners = await crowdOf(await targetOf(['listen']), query, variables)
    await project.message(source)
    const refused = await sameNext(listeners)
    expect(codesOf(refused)).toEqual(['FORBIDDEN'])
    expect(refused.errors[0].path).toEqual(['messageReceived', 'message', 'deliveries'])
    expect(codesOf(await sameNext(readers))).toEqual([])
  })

  test('keys of some sources: what serves all of the project stays hidden from them', async () => {
    const endpoint = await project.endpoint('http://127.0.0.1:9/')
    const ofFirst = 'messages(order: OLDEST_FIRST, first: 1) { nodes { deliveries { nodes { endpoint { id } } } } }'
    const query = subscriptionTo(`source { ${ofFirst} }`)
    const variables = { sourceIds: [source.id] }
    await project.message(source)
    await until(
      async () => (await gateway.sql.query('select 1 from deliveries where source_id = $1', [source.id])).length,
      1,
    )
    const whole = await crowdOf(await targetOf(['admin']), query, variables)
    const limited = await crowdOf(await targetOf(['admin'], { sourceIds: [source.id] }), query, variables)
    await project.message(source)
    const endpointOf = (result: Loose) =>
      result.data.messageReceived.source.messages.nodes[0].deliveries.nodes[0].endpoint
    expect(endpointOf(await sameNext(whole))).toEqual({ id: endpoint.id })
    expect(endpointOf(await sameNext(limited))).toBeNull()
  })

  test('other projects: the same document tells each of its own, and nobody of another one', async () => {
    const other = await gateway.newProject()
    const otherSource = await other.source('orders')
    const query = subscriptionTo(`source { id } ${messageFields('text')}`)
    const own = await crowdOf(await targetOf(['listen']), query, { sourceIds: [source.id] })
    const theirs = await crowdOf(await targetOf(['listen'], {}, other), query, { sourceIds: [otherSource.id] })
    const intruder = overWebSocket(await targetOf(['listen'], {}, other), query, { sourceIds: [source.id] })
    expect(codesOf(await intruder.next())).toEqual(['NOT_FOUND'])
    await project.message(source, { body: Buffer.from('ours') })
    await other.message(otherSource, { body: Buffer.from('theirs') })
    expect(await sameNext(own)).toMatchObject({
      data: { messageReceived: { source: { id: source.id }, message: { text: 'ours' } } },
    })
    expect(await sameNext(theirs)).toMatchObject({
      data: { messageReceived: { source: { id: otherSource.id }, message: { text: 'theirs' } } },
    })
  })

  test('a key that is revoked in the middle gets nothing more; those who shared with it go on', async () => {
    const query = subscriptionTo(messageFields('sequence'))
    const variables = { sourceIds: [source.id] }
    const revoked = await project.key(['listen'])
    const gone = await crowdOf({ baseUrl: gateway.baseUrl, token: revoked.token }, query, variables)
    const staying = await crowdOf(await targetOf(['listen']), query, variables)
    await project.message(source)
    await sameNext([...gone, ...staying])
    await project.revoke(revoked.id)
    const ends = await Promise.allSettled(gone.map(async (subscription) => codesOf((await subscription.next()) ?? {})))
    for (const end of ends) {
      if (end.status === 'fulfilled') expect(end.value).toEqual(['UNAUTHENTICATED'])
      else expect(end.reason).toMatchObject({ code: 4403 })
    }
    await project.message(source)
    expect((await sameNext(staying)).data.messageReceived.message.sequence).toBe(2)
  })
})

describe('what makes a difference is not shared', () => {
  test('a variable that is used below the root', async () => {
    await project.message(source)
    const query = subscriptionTo('source { messages(first: $first) { nodes { sequence } } }', {
      variables: ', $first: Int!',
    })
    const target = await targetOf(['admin'])
    const one = await crowdOf(target, query, { sourceIds: [source.id], first: 1 })
    const two = await crowdOf(target, query, { sourceIds: [source.id], first: 2 })
    await project.message(source)
    const countOf = (result: Loose) => result.data.messageReceived.source.messages.nodes.length
    expect(countOf(await sameNext(one))).toBe(1)
    expect(countOf(await sameNext(two))).toBe(2)
  })

  test('a cursor variable that is used below the root as well', async () => {
    const target = await targetOf(['admin'])
    const query = subscriptionTo('source { messages(order: OLDEST_FIRST, after: $place) { nodes { sequence } } }', {
      variables: ', $place: Cursor',
    })
      .replace('after: $after', 'after: [$place]')
      .replace(', $after: [Cursor!]', '')
      .replace('$place: Cursor', '$place: Cursor!')
    const begin = overWebSocket(target, subscriptionTo(''), { sourceIds: [source.id] })
    const { cursor: zero } = (await begin.next()).data.messageReceived
    await project.message(source)
    const { cursor: first } = (await begin.next()).data.messageReceived
    const fromZero = [overWebSocket, overEventStream].map((transport) =>
      transport(target, query, { sourceIds: [source.id], place: zero }),
    )
    const fromFirst = [overWebSocket, overEventStream].map((transport) =>
      transport(target, query, { sourceIds: [source.id], place: first }),
    )
    // The first message, then the end of the backlog.
    await sameNext(fromZero)
    await sameNext([...fromZero, ...fromFirst].slice(0, 2))
    await sameNext(fromFirst)
    await project.message(source)
    const seen = async (crowd: Subscription[]) =>
      (await sameNext(crowd)).data.messageReceived.source.messages.nodes.map(({ sequence }: Loose) => sequence)
    expect(await seen(fromZero)).toEqual([1, 2])
    expect(await seen(fromFirst)).toEqual([2])
  })

  test('a directive with a variable', async () => {
    const query = subscriptionTo(messageFields('id text @include(if: $text)'), { variables: ', $text: Boolean!' })
    const target = await targetOf(['listen'])
    const withText = await crowdOf(target, query, { sourceIds: [source.id], text: true })
    const without = await crowdOf(target, query, { sourceIds: [source.id], text: false })
    await project.message(source)
    expect((await sameNext(withText)).data.messageReceived.message).toHaveProperty('text')
    expect((await sameNext(without)).data.messageReceived.message).not.toHaveProperty('text')
  })

  test('an operation of the same document', async () => {
    const query = (name: string, fields: string) =>
      `subscription ${name}($sourceIds: [ID!]!) { messageReceived(sourceIds: $sourceIds) { ${fields} } }`
    const document = `${query('A', '__typename')} ${query('B', 'cursor')}`
    const { baseUrl, token } = await targetOf(['listen'])
    const clients = ['A', 'B', 'A', 'B'].map((operationName) => {
      const client = createClient({
        url: `${baseUrl.replace('http', 'ws')}/graphql`,
        webSocketImpl: WebSocket,
        retryAttempts: 0,
        connectionParams: { authorization: `Bearer ${token}` },
      })
      return client.iterate({ query: document, operationName, variables: { sourceIds: [source.id] } })
    })
    for (const results of clients) await results.next()
    await project.message(source)
    const fields = await Promise.all(
      clients.map(async (results) => Object.keys(((await results.next()).value as Loose).data.messageReceived)),
    )
    expect(fields).toEqual([['__typename'], ['cursor'], ['__typename'], ['cursor']])
    for (const results of clients) await results.return?.()
  })

  test('several sources: each event carries the cursor of its own source, the same for all', async () => {
    const other = await project.source('other')
    const target = await targetOf(['listen'])
    const query = subscriptionTo(`source { id } ${messageFields('sequence')}`)
    const one = await crowdOf(target, query, { sourceIds: [source.id] })
    const both = await crowdOf(target, query, { sourceIds: [source.id, other.id] })
    await project.message(source)
    const shared = await sameNext([...one, ...both])
    await project.message(other)
    const theirs = await sameNext(both)
    expect(theirs.data.messageReceived).toMatchObject({ source: { id: other.id }, message: { sequence: 1 } })
    expect(theirs.data.messageReceived.cursor).not.toBe(shared.data.messageReceived.cursor)
  })

  test('a filter: who hides a message is not told of it by who does not', async () => {
    const query = subscriptionTo(messageFields('sequence'), {
      variables: ', $filter: MessageFilter',
      args: ', filter: $filter',
    })
    const target = await targetOf(['listen'])
    const filter = { data: { pointer: '/n', value: 2 } }
    const all = await crowdOf(target, query, { sourceIds: [source.id] })
    const some = await crowdOf(target, query, { sourceIds: [source.id], filter })
    for (const n of [1, 2]) await project.message(source, { body: Buffer.from(`{"n":${n}}`) })
    const sequenceOf = (result: Loose) => result.data.messageReceived.message.sequence
    expect(sequenceOf(await sameNext(some))).toBe(2)
    expect([sequenceOf(await sameNext(all)), sequenceOf(await sameNext(all))]).toEqual([1, 2])
  })
})

describe('when something fails', () => {
  test('each is told the id of its own request, and the next event is whole', async () => {
    const query = subscriptionTo('source { refusals { nodes { id } } }')
    const crowd = await crowdOf(await targetOf(['admin']), query, { sourceIds: [source.id] })
    await gateway.sql.query('alter table refusals rename to refusals_away')
    await project.message(source)
    const results = await Promise.all(crowd.map((subscription) => subscription.next()))
    await gateway.sql.query('alter table refusals_away rename to refusals')
    for (const result of results) {
      expect(codesOf(result)).toEqual(['INTERNAL_ERROR'])
      expect(result.errors[0].path).toEqual(['messageReceived', 'source', 'refusals'])
    }
    const requestIds = results.map(({ errors }) => /req_\w+/.exec(errors[0].message)?.[0])
    expect(new Set(requestIds).size).toBe(crowd.length)
    await project.message(source)
    expect(codesOf(await sameNext(crowd))).toEqual([])
  })

  test('an event that the database could not answer for comes to all when it can, once and in order', async () => {
    const query = subscriptionTo(`source { lastSequence } ${messageFields('sequence')}`)
    const crowd = await crowdOf(await targetOf(['admin']), query, { sourceIds: [source.id] })
    await gateway.database.cut()
    await project.message(source)
    await project.message(source)
    await until(() => gateway.log.some(({ msg }) => msg === 'database unavailable'), true)
    await gateway.database.mend()
    const sequences = [await sameNext(crowd), await sameNext(crowd)].map(
      ({ data }) => data.messageReceived.message.sequence,
    )
    expect(sequences).toEqual([1, 2])
  })
})

test('many who come and go while messages come get each once and in order', async () => {
  const query = subscriptionTo(messageFields('sequence'))
  const target = await targetOf(['listen'])
  const crowd = await crowdOf(target, query, { sourceIds: [source.id] })
  const { cursor: begin } = (await overWebSocketNext(target, query)).data.messageReceived
  const count = 60
  const sending = (async () => {
    for (let index = 0; index < count; index += 1) await project.message(source)
  })()
  const read = async (subscription: Subscription) => {
    const seen: number[] = []
    while (seen.length < count) {
      const { message } = (await subscription.next()).data.messageReceived
      if (message !== undefined) seen.push(message.sequence)
    }
    return seen
  }
  const resumed = async () => {
    const seen: number[] = []
    let after = begin
    while (seen.length < count) {
      const subscription = overWebSocket(target, query, { sourceIds: [source.id], after: [after] })
      for (let taken = 0; taken < 10 && seen.length < count; taken += 1) {
        const { message, cursor } = (await subscription.next()).data.messageReceived
        after = cursor
        if (message !== undefined) seen.push(message.sequence)
      }
      await subscription.end()
    }
    return seen
  }
  const records = await Promise.all([...crowd.map(read), resumed(), resumed(), resumed()])
  await sending
  const whole = Array.from({ length: count }, (_, index) => index + 1)
  for (const record of records) expect(record).toEqual(whole)
})

async function overWebSocketNext(target: Target, query: string): Promise<Loose> {
  return await overWebSocket(target, query, { sourceIds: [source.id] }).next()
}
