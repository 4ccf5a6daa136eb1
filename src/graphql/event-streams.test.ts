import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { expect, test } from 'vitest'
import type { Viewer } from '../auth/viewer.ts'
import { createEventStreams } from './event-streams.ts'
import type { KeyWatch } from './key-watch.ts'
import type { OperationStream, ResultFollower } from './operation-stream.ts'

function open() {
  let lose: Parameters<KeyWatch['watch']>[1] = () => undefined
  const keys: Pick<KeyWatch, 'watch'> = {
    watch(_viewer, onLoss) {
      lose = onLoss
      return () => undefined
    },
  }
  const { promise, resolve } = Promise.withResolvers<ResultFollower>()
  const inner: OperationStream = {
    follow: resolve,
    resume: () => undefined,
    async end() {
      const follower = await promise
      follower.ended()
    },
  }
  const streams = createEventStreams({ keys: keys as KeyWatch, stalledMs: 30_000 })
  const response = new ServerResponse(new IncomingMessage(new Socket()))
  const stream = streams.open(inner, { viewer: {} as Viewer, response })
  return { stream, inner: promise, lose: () => lose('narrowed') }
}

test('a key that loses rights is told of, and ends the stream', async () => {
  const { stream, lose } = open()
  const next = stream.next()
  lose()
  expect((await next).value).toMatchObject({ errors: [{ extensions: { code: 'FORBIDDEN' } }] })
  expect(await stream.next()).toEqual({ done: true, value: undefined })
})

test('a stream whose source has told of the loss first does not tell of it again', async () => {
  const { stream, inner, lose } = open()
  const next = stream.next()
  const follower = await inner
  follower.take(Buffer.from('{"errors":[]}'), false)
  follower.ended()
  expect((await next).value?.stringify?.()).toBe('{"errors":[]}')
  lose()
  expect(await stream.next()).toEqual({ done: true, value: undefined })
})
