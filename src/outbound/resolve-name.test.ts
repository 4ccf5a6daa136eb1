import dgram from 'node:dgram'
import type { LookupAddress } from 'node:dns'
import { once } from 'node:events'
import { afterEach, expect, test } from 'vitest'
import { createNameResolver } from './resolve-name.ts'

const sockets: dgram.Socket[] = []

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.close()
})

/** A name server that knows names ending in `known.test`, never answers for `hung.test`, and knows nothing else. */
async function startNameServer(): Promise<string> {
  const socket = dgram.createSocket('udp4')
  sockets.push(socket)
  socket.on('message', (query, { port, address }) => {
    const answer = answerTo(query)
    if (answer !== null) socket.send(answer, port, address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return `127.0.0.1:${socket.address().port}`
}

function answerTo(query: Buffer): Buffer | null {
  const nameEnd = query.indexOf(0, 12)
  const name = query
    .subarray(12, nameEnd)
    .toString('latin1')
    .replaceAll(/[^a-z]/g, '.')
  if (name.endsWith('hung.test')) return null
  const isKnown = name.endsWith('known.test')
  const isFour = query.readUInt16BE(nameEnd + 1) === 1
  const header = Buffer.from([
    query[0] ?? 0,
    query[1] ?? 0,
    0x81,
    isKnown ? 0x80 : 0x83,
    0,
    1,
    0,
    isKnown ? 1 : 0,
    0,
    0,
    0,
    0,
  ])
  const data = isFour ? [192, 0, 2, 1] : [0x20, 1, 0xd, 0xb8, ...Array<number>(11).fill(0), 1]
  const record = Buffer.from([0xc0, 12, 0, isFour ? 1 : 28, 0, 1, 0, 0, 0, 0, 0, data.length, ...data])
  return Buffer.concat([header, query.subarray(12, nameEnd + 5), ...(isKnown ? [record] : [])])
}

async function resolverWith(server: string) {
  const systemNames: string[] = []
  const resolve = createNameResolver({
    servers: [server],
    systemLookup(hostname, _options, callback) {
      systemNames.push(hostname)
      callback(null, [{ address: '198.51.100.1', family: 4 }])
    },
  })
  const addressesOf = (hostname: string) =>
    new Promise<LookupAddress[]>((fulfil, reject) => {
      resolve(hostname, { all: true }, (error, addresses) => (error === null ? fulfil(addresses) : reject(error)))
    })
  return { addressesOf, systemNames }
}

test('all addresses of a name are found', async () => {
  const { addressesOf, systemNames } = await resolverWith(await startNameServer())
  expect(await addressesOf('a.known.test')).toEqual([
    { address: '192.0.2.1', family: 4 },
    { address: '2001:db8::1', family: 6 },
  ])
  expect(systemNames).toEqual([])
})

test('names whose servers never answer hold up no other name', async () => {
  const { addressesOf, systemNames } = await resolverWith(await startNameServer())
  const hung = Array.from({ length: 50 }, (_, i) =>
    addressesOf(`${'abcdefghij'[i % 10]}.hung.test`).catch(({ code }) => code),
  )
  const first = Promise.race(hung)
  expect(await Promise.race([first, addressesOf('b.known.test')])).toHaveLength(2)
  expect(new Set(await Promise.all(hung))).toEqual(new Set(['ETIMEOUT']))
  expect(systemNames).toEqual([])
})

test.each(['single', 'localhost', 'other.test'])('the system is asked about %s', async (name) => {
  const { addressesOf, systemNames } = await resolverWith(await startNameServer())
  expect(await addressesOf(name)).toEqual([{ address: '198.51.100.1', family: 4 }])
  expect(systemNames).toEqual([name])
})

test('without name servers the system is asked', async () => {
  const { addressesOf, systemNames } = await resolverWith('127.0.0.1:1')
  expect(await addressesOf('a.known.test')).toHaveLength(1)
  expect(systemNames).toEqual(['a.known.test'])
})
