import { createServer, type Server } from 'node:net'
import { CodedError } from '../kernel/coded-error.ts'

export interface ListenAddress {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
}

/**
 * Begins to listen.
 *
 * @returns the port, also when a free one was asked for.
 * @throws CodedError PORT_IN_USE, PORT_NOT_PERMITTED, HOST_NOT_OURS or LISTEN_FAILED, saying what to do next.
 */
export async function listen(server: Server, address: ListenAddress): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException) => reject(listenError(address, error))
    server.once('error', fail)
    server.listen(address, () => {
      server.off('error', fail)
      resolve()
    })
  })
  const bound = server.address()
  return typeof bound === 'object' && bound !== null ? bound.port : address.port
}

/** A port that nobody listens on at this moment. */
export async function findFreePort(host: string): Promise<number> {
  const server = createServer()
  const port = await listen(server, { host, port: 0 })
  await new Promise((resolve) => server.close(resolve))
  return port
}

function listenError({ host, port }: ListenAddress, cause: NodeJS.ErrnoException): CodedError {
  switch (cause.code) {
    case 'EADDRINUSE':
      return new CodedError(
        'PORT_IN_USE',
        `Port ${port} on ${host} is in use. Stop the program that listens there, or set PORT to another port.`,
        { cause },
      )
    case 'EACCES':
      return new CodedError(
        'PORT_NOT_PERMITTED',
        `This user may not listen on port ${port}. Set PORT to 1024 or above, or grant the right to bind low ports.`,
        { cause },
      )
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new CodedError(
        'HOST_NOT_OURS',
        `HOST is ${host}, which is no address of this machine. Set HOST to 127.0.0.1, or to 0.0.0.0 for all addresses.`,
        { cause },
      )
    default:
      return new CodedError('LISTEN_FAILED', `Cannot listen on ${host} port ${port}: ${cause.message}`, { cause })
  }
}
