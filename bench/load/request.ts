import { connect, type Socket } from 'node:net'

interface RequestParts {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** A whole POST request as it goes over the wire. */
export function requestBytes({ path, headers, body }: RequestParts): Buffer {
  const fields = Object.entries({ host: 'localhost', ...headers, 'content-length': String(Buffer.byteLength(body)) })
  const head = [`POST ${path} HTTP/1.1`, ...fields.map(([name, value]) => `${name}: ${value}`)]
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`)
}

/** A connection to a port of the loopback. */
export function openSocket(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true }, () => {
      socket.off('error', reject)
      resolve(socket)
    })
    socket.once('error', reject)
  })
}
