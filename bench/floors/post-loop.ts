import { createHmac, createSecretKey, randomBytes } from 'node:crypto'
import { Agent, request } from 'undici'
import { type ChildProtocol, serveParent, settingsOfParent } from '../rig/child.ts'

/**
 * Floor of `deliver`: a loop that signs by Standard Webhooks, posts by undici and reads the answer. It knows all events
 * beforehand, keeps nothing and retries nothing. One process, `concurrency` requests in flight over ten receivers.
 */
export interface PostLoopProtocol extends ChildProtocol {
  readonly settings: { readonly ports: readonly number[]; readonly concurrency: number }
  readonly ready: null
  readonly command: { readonly count: number; readonly body: string }
  readonly answer: { readonly elapsedMs: number }
}

const { ports, concurrency } = settingsOfParent<PostLoopProtocol['settings']>()
const agent = new Agent({ connections: Math.ceil(concurrency / ports.length), pipelining: 1 })
const key = createSecretKey(randomBytes(32))
let lastId = 0

serveParent<PostLoopProtocol>(null, async ({ count, body }) => {
  const bytes = Buffer.from(body)
  let sent = 0
  const loop = async (first: number) => {
    for (let turn = first; sent < count; turn += 1) {
      sent += 1
      await post(`http://127.0.0.1:${ports[turn % ports.length]}/hook`, bytes)
    }
  }
  const startedMs = performance.now()
  await Promise.all(Array.from({ length: concurrency }, (_, index) => loop(index)))
  return { elapsedMs: performance.now() - startedMs }
})

async function post(url: string, body: Buffer): Promise<void> {
  lastId += 1
  const id = `msg_${lastId}`
  const timestamp = String(Math.floor(Date.now() / 1000))
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64')
  const answer = await request(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': timestamp,
      'webhook-signature': `v1,${signature}`,
    },
    body,
    dispatcher: agent,
  })
  await answer.body.dump()
  if (answer.statusCode !== 204) {
    throw new Error(`the sink answered ${answer.statusCode}`)
  }
}
