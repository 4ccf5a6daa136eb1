import { expect, test } from 'vitest'
import { createLifecycle } from './lifecycle.ts'

test('what was opened last is closed first, one after another', async () => {
  const lifecycle = createLifecycle()
  const order: string[] = []
  for (const name of ['database', 'queue', 'server']) {
    lifecycle.defer(name, async () => {
      order.push(`${name} closes`)
      await Promise.resolve()
      order.push(`${name} closed`)
    })
  }
  await lifecycle.close()
  expect(order).toEqual([
    'server closes',
    'server closed',
    'queue closes',
    'queue closed',
    'database closes',
    'database closed',
  ])
})

test('a resource that fails to close keeps no other from closing, and every failure is told', async () => {
  const lifecycle = createLifecycle()
  const closed: string[] = []
  lifecycle.defer('database', () => void closed.push('database'))
  lifecycle.defer('queue', () => Promise.reject(new Error('busy')))
  lifecycle.defer('cache', () => {
    throw new Error('gone')
  })
  const failure: unknown = await lifecycle.close().catch((error: unknown) => error)
  expect(closed).toEqual(['database'])
  expect(failure).toMatchObject({
    errors: [
      { message: 'closing cache failed', cause: { message: 'gone' } },
      { message: 'closing queue failed', cause: { message: 'busy' } },
    ],
  })
})

test('closing twice closes once, with one result', async () => {
  const lifecycle = createLifecycle()
  let closings = 0
  lifecycle.defer('server', () => {
    closings += 1
    throw new Error('stuck')
  })
  const results = await Promise.allSettled([lifecycle.close(), lifecycle.close()])
  expect(closings).toBe(1)
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
})

test('what is opened while closing runs is closed too', async () => {
  const lifecycle = createLifecycle()
  const closed: string[] = []
  lifecycle.defer('server', () => lifecycle.defer('late socket', () => void closed.push('late socket')))
  await lifecycle.close()
  expect(closed).toEqual(['late socket'])
})

test('a failed start closes what was open and throws its own error', async () => {
  const lifecycle = createLifecycle()
  let isClosed = false
  lifecycle.defer('database', () => {
    isClosed = true
  })
  const cause = new Error('no certificate')
  await expect(lifecycle.abandon(cause)).rejects.toBe(cause)
  expect(isClosed).toBe(true)
})

test('a failed start whose closing fails tells both, its own error first', async () => {
  const lifecycle = createLifecycle()
  lifecycle.defer('database', () => Promise.reject(new Error('busy')))
  const cause = new Error('no certificate')
  await expect(lifecycle.abandon(cause)).rejects.toMatchObject({
    errors: [cause, { message: 'closing database failed' }],
  })
})
