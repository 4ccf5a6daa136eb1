import { createServer } from 'node:http'
import { type ChildProtocol, serveParent, settingsOfParent } from '../rig/child.ts'
import { portOf, readVerified } from './verified-body.ts'

/**
 * Floor A of `ingest`: what Node's own HTTP server costs when it reads a body and checks its HMAC, and keeps nothing.
 * One process, no pool.
 */
export interface HmacServerProtocol extends ChildProtocol {
  readonly settings: { readonly secret: string }
  readonly ready: { readonly port: number }
}

const { secret } = settingsOfParent<HmacServerProtocol['settings']>()

const server = createServer(async (request, response) => {
  const body = await readVerified(request, secret)
  response.writeHead(body === null ? 401 : 202, { 'content-length': 0 }).end()
})

serveParent<HmacServerProtocol>({ port: await portOf(server) }, async () => null)
