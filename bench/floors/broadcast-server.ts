import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { WebSocketServer } from 'ws'
import { type ChildProtocol, serveParent } from '../rig/child.ts'

/**
 * Floor of `stream`: `ws` sending one frame, serialised once, to every socket, at the gateway's pace. The frame is one
 * that the gateway sent, with the next number in its `sequence`. One process; no HTTP, no database.
 */
export interface BroadcastServerProtocol extends ChildProtocol {
  readonly settings: Record<string, never>
  readonly ready: { readonly port: number }
  readonly command: { readonly frame: string; readonly perSecond: number; readonly count: number }
  readonly answer: null
}

const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false })
await once(server, 'listening')
let sequence = 0

serveParent<BroadcastServerProtocol>({ port: (server.address() as AddressInfo).port }, async (command) => {
  const [before = '', after = ''] = command.frame.split(/(?<="sequence":)\d+/)
  const startedMs = performance.now()
  for (let index = 0; index < command.count; index += 1) {
    await delay(Math.max(0, startedMs + (index * 1000) / command.perSecond - performance.now()))
    sequence += 1
    broadcast(Buffer.from(`${before}${sequence}${after}`))
  }
  return null
})

function broadcast(frame: Buffer): void {
  for (const socket of server.clients) {
    socket.send(frame, { binary: false })
  }
}
