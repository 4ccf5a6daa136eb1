import { createServer } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { portOf } from '../floors/verified-body.ts'
import { type ChildProtocol, serveParent, settingsOfParent } from '../rig/child.ts'

/** Ten receivers: one process, a port each, every POST answered by 204 once its body was read. */
export interface SinkProtocol extends ChildProtocol {
  readonly settings: { readonly ports: number }
  readonly ready: { readonly ports: readonly number[] }
  /** Waits until so many different ids came since the last answer. */
  readonly command: { readonly distinct: number; readonly withinMs: number }
  readonly answer: SinkReport
}

export interface SinkReport {
  readonly requests: number
  /** Different pairs of receiver and `webhook-id`. */
  readonly distinct: number
}

let requests = 0
let seen = new Set<string>()

function createReceiver(number: number) {
  return createServer((request, response) => {
    request.resume().on('end', () => {
      requests += 1
      seen.add(`${number} ${request.headers['webhook-id']}`)
      response.writeHead(204).end()
    })
  })
}

const { ports } = settingsOfParent<SinkProtocol['settings']>()
const receivers = Array.from({ length: ports }, (_, number) => createReceiver(number))

serveParent<SinkProtocol>({ ports: await Promise.all(receivers.map(portOf)) }, async ({ distinct, withinMs }) => {
  const deadlineMs = performance.now() + withinMs
  while (seen.size < distinct && performance.now() < deadlineMs) {
    await delay(2)
  }
  const report = { requests, distinct: seen.size }
  requests = 0
  seen = new Set()
  return report
})
