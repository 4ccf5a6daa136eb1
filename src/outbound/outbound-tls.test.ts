import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { createAddressGuard } from './address-guard.ts'
import type { AttemptOutcome } from './attempt.ts'
import { createOutbound } from './outbound.ts'

const servers: Server[] = []

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.close()
    await once(server, 'close')
  }
})

const certificate = (name: string) =>
  readFileSync(new URL(`../../test/support/certificates/${name}`, import.meta.url), 'utf8')

/** What becomes of a call to https://receiver.test when `server` stands behind that name. */
async function callOver(server: Server, ca: string[] = []): Promise<AttemptOutcome> {
  servers.push(server.listen(0, '127.0.0.1'))
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const outbound = createOutbound({
    guard: createAddressGuard({ allowedNetworks: [], allowsLoopback: true }),
    ca,
    resolve: (_hostname, _options, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]),
  })
  const url = `https://receiver.test:${port}/`
  const outcome = await outbound.request({ url, method: 'POST', headers: [], body: null, timeoutMs: 10_000 })
  await outbound.close()
  return outcome
}

function receiverWith(name: string): https.Server {
  return https.createServer(
    { cert: certificate(`${name}.pem`), key: certificate(`${name}.key`) },
    (_request, response) => response.end('ok'),
  )
}

test.each([
  ['good', null],
  ['self-signed', 'TLS_UNTRUSTED'],
  ['wrong-host', 'TLS_WRONG_HOST'],
  ['expired', 'TLS_EXPIRED'],
])('a %s certificate gives the failure %s', async (name, failure) => {
  const outcome = await callOver(receiverWith(name), [certificate('authority.pem')])
  expect(outcome.failure, outcome.failureDetail ?? '').toBe(failure)
  expect(outcome.response?.status ?? null).toBe(failure === null ? 200 : null)
})

test('an authority that the operator has not named is not trusted', async () => {
  expect(await callOver(receiverWith('good'))).toMatchObject({ failure: 'TLS_UNTRUSTED', response: null })
})

test('https to a port that speaks plain HTTP is TLS', async () => {
  const plain = http.createServer((_request, response) => response.end())
  const outcome = await callOver(plain)
  expect(outcome).toMatchObject({ failure: 'TLS', failureDetail: 'wrong version number', response: null })
})
