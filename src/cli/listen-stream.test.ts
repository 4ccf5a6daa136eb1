import { expect, test } from 'vitest'
import { memoryPlace } from './listen-place.ts'
import { streamOf } from './listen-stream.ts'

const nobody = { url: 'http://127.0.0.1:9', key: 'hk_test' }
const place = memoryPlace({ sourceId: 'src_test', since: null, filter: null })

test('who stops while a gateway that hangs is asked for the place is not kept waiting', async () => {
  const stop = new AbortController()
  const events = streamOf({
    login: nobody,
    place: { ...place, subscription: () => new Promise(() => undefined) },
    signal: stop.signal,
    onListening: () => undefined,
    onLost: () => undefined,
    onBack: () => undefined,
  })
  const next = events.next()
  stop.abort()
  expect(await next).toEqual({ done: true, value: undefined })
})
