import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { type IngressGateway, send, startIngressGateway } from './ingress-gateway.ts'

let gateway: IngressGateway

beforeAll(async () => {
  gateway = await startIngressGateway()
})

afterAll(() => gateway.stop())

const update = (input: Record<string, unknown>) => gateway.mutate('updateSource', input, '__typename')

test('a paused source answers as an unknown one, and takes messages again when it is resumed', async () => {
  const { id, ingressUrl } = await gateway.createSource({ name: 'paused' })
  const unknown = await send(`${gateway.process.baseUrl}/in/${'A'.repeat(43)}`, { body: '{}' })
  await update({ id, isPaused: true })
  const paused = await send(ingressUrl, { body: '{}' })
  const withoutRequest = ({ text }: { text: string }) => text.replace(/req_\w+/, '')
  expect([paused.status, withoutRequest(paused)]).toEqual([404, withoutRequest(unknown)])
  expect([...paused.headers.keys()]).toEqual([...unknown.headers.keys()])
  await update({ id, isPaused: false })
  expect((await send(ingressUrl, { body: '{}' })).status).toBe(202)
})

test('limits, methods, networks and the answer change while the gateway runs', async () => {
  const { id, ingressUrl } = await gateway.createSource({ name: 'changing' })
  const status = async (body = '{}') => (await send(ingressUrl, { body })).status
  expect(await status()).toBe(202)
  await update({ id, maxBodyBytes: 1 })
  expect(await status()).toBe(413)
  await update({ id, maxBodyBytes: 100, allowedMethods: ['PUT'] })
  expect(await status()).toBe(405)
  await update({ id, allowedMethods: ['POST'], allowedNetworks: ['192.0.2.0/24'] })
  expect(await status()).toBe(403)
  await update({ id, allowedNetworks: ['127.0.0.0/8'], requiresJson: true })
  expect(await status('text')).toBe(400)
  await update({ id, acceptedResponse: { status: 200, headers: [], body: 'ok' } })
  expect(await status()).toBe(200)
})

test('an old secret holds beside a new one until its time is over', async () => {
  const verification = { preset: { preset: 'GITHUB', secret: 'old secret' } }
  const { id, ingressUrl } = await gateway.createSource({ name: 'rotating', verification })
  const statusWith = async (secret: string) => {
    const signature = `sha256=${createHmac('sha256', secret).update('{}').digest('hex')}`
    return (await send(ingressUrl, { body: '{}', headers: { 'x-hub-signature-256': signature } })).status
  }
  const rotation = { ownerId: id, secret: 'new secret', overlapMs: 1_500 }
  await gateway.mutate('rotateSecret', rotation, '... on RotateSecretPayload { secret }')
  expect([await statusWith('old secret'), await statusWith('new secret')]).toEqual([202, 202])
  await until(() => statusWith('old secret'), 401, { everyMs: 100 })
  expect(await statusWith('new secret')).toBe(202)
})

test('an old address leads to its source until its time is over', async () => {
  const { id, ingressUrl } = await gateway.createSource({ name: 'moving' })
  const selection = '... on SourcePayload { source { ingressUrl } }'
  const { source } = await gateway.mutate<{ source: { ingressUrl: string } }>(
    'rotateSourceToken',
    { id, overlapMs: 1_500 },
    selection,
  )
  const statusOf = async (url: string) => (await send(url, { body: '{}' })).status
  expect([await statusOf(ingressUrl), await statusOf(source.ingressUrl)]).toEqual([202, 202])
  await until(() => statusOf(ingressUrl), 404, { everyMs: 100 })
  expect(await statusOf(source.ingressUrl)).toBe(202)
})
