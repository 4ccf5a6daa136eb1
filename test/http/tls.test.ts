import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { exchangeBytes, openConnection, startServer, until } from './start-server.ts'

const directory = mkdtempSync(join(tmpdir(), 'hookline-tls-'))
const tls = { certFile: join(directory, 'cert.pem'), keyFile: join(directory, 'key.pem') }

beforeAll(() => {
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1']
  const options = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', ...subject]
  execFileSync('openssl', ['req', ...options, '-keyout', tls.keyFile, '-out', tls.certFile], { stdio: 'ignore' })
  execFileSync('openssl', ['genrsa', '-out', join(directory, 'rsa.pem'), '2048'], { stdio: 'ignore' })
  execFileSync('openssl', ['ecparam', '-genkey', '-name', 'prime256v1', '-out', join(directory, 'other.pem')])
})

afterAll(() => rmSync(directory, { recursive: true }))

test('with certificate and key files the server speaks HTTPS', async () => {
  const { port } = await startServer({ tls })
  const status = await new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path: '/healthz', rejectUnauthorized: false }, (answer) => {
      answer.resume()
      resolve(answer.statusCode)
    })
      .on('error', reject)
      .end()
  })
  expect(status).toBe(200)
})

test('plain HTTP on the HTTPS port closes that connection and harms nobody', async () => {
  const { port, line } = await startServer({ tls })
  await exchangeBytes(port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  const connection = await openConnection(port, { isTls: true })
  connection.send('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n')
  await connection.receives('"status":"ok"')
  await line({ route: '/healthz', status: 200 })
})

test('framing is checked and answered inside TLS too', async () => {
  const { port } = await startServer({ tls })
  const connection = await openConnection(port, { isTls: true })
  connection.send('FOO / HTTP/1.1\r\nHost: a\r\n\r\n')
  expect(await connection.closed()).toMatch(/^HTTP\/1.1 400 .*UNKNOWN_METHOD/s)
})

test('a drain over TLS does not wait for connections without a request', async () => {
  const { server, port } = await startServer({ tls, drainTimeoutMs: 20_000 })
  const unused = await openConnection(port, { isTls: true })
  const handshaking = await openConnection(port)
  const idle = await openConnection(port, { isTls: true })
  idle.send('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n')
  await idle.receives('"status":"ok"')
  const startedMs = performance.now()
  await server.drain()
  await Promise.all([unused.closed(), idle.closed(), handshaking.closed()])
  expect(performance.now() - startedMs).toBeLessThan(10_000)
  await until(() => (unused.socket.destroyed ? true : undefined))
})

test.each([
  [
    'a missing certificate',
    { certFile: '/nowhere/cert.pem' },
    'TLS_FILE_UNREADABLE',
    /^TLS_CERT_FILE .*\/nowhere\/cert\.pem/,
  ],
  ['a missing key', { keyFile: '/nowhere/key.pem' }, 'TLS_FILE_UNREADABLE', /^TLS_KEY_FILE .*\/nowhere\/key\.pem/],
  ['another key', { keyFile: join(directory, 'other.pem') }, 'TLS_FILES_INVALID', /TLS_CERT_FILE .*other\.pem/],
  ['a key of another kind', { keyFile: join(directory, 'rsa.pem') }, 'TLS_FILES_INVALID', /TLS_CERT_FILE .*rsa\.pem/],
  ['a certificate that is none', { certFile: join(directory, 'text.pem') }, 'TLS_FILES_INVALID', /text\.pem/],
])('%s is told with variable and file', async (_, files, code, publicMessage) => {
  writeFileSync(join(directory, 'text.pem'), 'hello')
  await expect(startServer({ tls: { ...tls, ...files } })).rejects.toMatchObject({
    code,
    publicMessage: expect.stringMatching(publicMessage),
  })
})
