import { subscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import pg, { type Pool, type PoolClient } from 'pg'

/** Hears every statement of a pool's connections. */
export function recordStatements(pool: Pool): (work: () => Promise<unknown>) => Promise<string[]> {
  let heard: string[] = []
  pool.on('connect', (client: PoolClient) => {
    const query = client.query.bind(client) as (...args: unknown[]) => unknown
    const recorded = (...args: unknown[]) => {
      const [first] = args
      heard.push(typeof first === 'string' ? first : String((first as { text?: string }).text))
      return query(...args)
    }
    client.query = recorded as typeof client.query
  })
  return async (work) => {
    heard = []
    await work()
    return heard
  }
}

/** The server's side of every connection that is open. */
export function openSockets(port: number): ReadonlySet<Socket> {
  const open = new Set<Socket>()
  subscribe('net.server.socket', (message) => {
    const { socket } = message as { socket: Socket }
    if (socket.localPort !== port) return
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  return open
}

/**
 * A narrow way to a server: what it sends passes in pieces, with a rest after each.
 *
 * @returns its port, and how to end it.
 */
export async function openNarrowWay(port: number, restMs = 15): Promise<{ port: number; close(): void }> {
  const ends = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1')
    for (const end of [near, far]) ends.add(end.on('error', () => undefined))
    near.on('data', (bytes) => far.write(bytes)).on('close', () => far.destroy())
    far.on('close', () => near.destroy())
    far.on('data', (bytes) => {
      near.write(bytes)
      far.pause()
      setTimeout(() => far.resume(), restMs)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close()
      for (const end of ends) end.destroy()
    },
  }
}

export interface Path {
  readonly databaseUrl: string
  /** Breaks what is open, and lets nothing be opened. */
  cut(): Promise<void>
  mend(): Promise<void>
}

/** A way to the database that can be cut. */
export async function openPath(databaseUrl: string): Promise<Path> {
  const { host, port } = new pg.Client({ connectionString: databaseUrl })
  const ends = new Set<Socket>()
  const server = createServer((near) => {
    const far = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host)
    for (const [end, other] of [
      [near, far],
      [far, near],
    ] as const) {
      ends.add(end)
      end.on('error', () => other.destroy())
      end.once('close', () => ends.delete(end))
      end.pipe(other)
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port: nearPort } = server.address() as AddressInfo
  const url = new URL(databaseUrl)
  url.search = ''
  url.host = `127.0.0.1:${nearPort}`
  return {
    databaseUrl: url.href,
    async cut() {
      const closed = once(server, 'close')
      server.close()
      for (const end of ends) end.destroy()
      await closed
    },
    async mend() {
      server.listen(nearPort, '127.0.0.1')
      await once(server, 'listening')
    },
  }
}
