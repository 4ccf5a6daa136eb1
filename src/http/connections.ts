import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Every open connection of a server, and the end of them all. */
export interface Connections {
  readonly isDraining: boolean
  /** Follows a response until it closes. While draining, it is the last one on its connection. */
  track(response: ServerResponse): void
  /**
   * Accepts no connection any more, closes those that wait between requests, lets open requests finish, and cuts what
   * is still there after the time-out. Repeated calls share the first one's result. Resolves when no connection is left.
   */
  drain(): Promise<void>
}

/** @param drainTimeoutMs how long open requests and upgraded sockets get to finish. */
export function trackConnections(server: Server, { drainTimeoutMs }: { readonly drainTimeoutMs: number }): Connections {
  // With the open response, the latest where requests are pipelined. One entry per connection that is changed in place:
  // a set that responses enter and leave keeps thousands of closed ones alive between collections of garbage.
  const sockets = new Map<Socket, ServerResponse | null>()
  let drained: Promise<void> | undefined

  const add = (socket: Socket) => {
    sockets.set(socket, null)
    socket.once('close', () => sockets.delete(socket))
  }
  server.on('connection', add)
  // With TLS it is this one that counts the bytes of HTTP; the bare socket beneath stands for handshakes under way.
  server.on('secureConnection', add)

  async function drain(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      // The callback's error only says that the server never listened.
      server.close(() => resolve())
    })
    for (const [socket, response] of sockets) {
      if (response !== null) closeAfter(response)
      // Browsers open connections ahead of need; node counts those as busy until their first request.
      if (socket.bytesRead === 0) socket.destroy()
    }
    const timer = setTimeout(() => {
      for (const socket of sockets.keys()) socket.destroy()
    }, drainTimeoutMs)
    await closed
    clearTimeout(timer)
  }

  return {
    get isDraining() {
      return drained !== undefined
    },
    track(response) {
      const { socket } = response.req
      if (sockets.has(socket)) sockets.set(socket, response)
      if (drained !== undefined) closeAfter(response)
      response.once('close', () => {
        if (sockets.get(socket) === response) sockets.set(socket, null)
        // An answer whose headers were sent before the drain had promised to keep its connection.
        if (drained !== undefined) setImmediate(() => server.closeIdleConnections())
      })
    },
    drain() {
      drained ??= drain()
      return drained
    },
  }
}

// Answers with `connection: close`, unless the headers are on their way already.
function closeAfter(response: ServerResponse): void {
  if (!response.headersSent) response.shouldKeepAlive = false
}
