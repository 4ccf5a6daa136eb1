import type { IncomingMessage } from 'node:http'
import type { Problem } from './problem.ts'

/** Bounds the request line and all headers together. */
export const maxHeaderBytes = 16 * 1024

/**
 * What the parser lets through although two readers could understand it differently: a proxy in front and the handler
 * behind would disagree about where the request goes or what it is.
 *
 * @returns null when the request is sound.
 */
export function framingProblem({ rawHeaders, httpVersionMinor }: IncomingMessage): Problem | null {
  let hosts = 0
  let contentTypes = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? ''
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1
    else if (name.length === 12 && name.toLowerCase() === 'content-type') contentTypes += 1
  }
  if (hosts > 1) return malformed('DUPLICATE_HEADER', 'The request has more than one Host header.')
  if (contentTypes > 1) return malformed('DUPLICATE_HEADER', 'The request has more than one Content-Type header.')
  if (hosts === 0 && httpVersionMinor > 0) return malformed('HOST_REQUIRED', 'The request has no Host header.')
  return null
}

/**
 * What to answer when the parser or its clock gave up.
 *
 * @returns null when there is nobody left to answer.
 */
export function problemOfClientError(error: NodeJS.ErrnoException & { reason?: string }): Problem | null {
  switch (error.code) {
    case 'ECONNRESET':
    case 'EPIPE':
    case 'ETIMEDOUT':
      return null
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return { status: 408, code: 'REQUEST_TIMEOUT', detail: 'The request took too long to arrive.' }
    case 'HPE_HEADER_OVERFLOW':
      return {
        status: 431,
        code: 'HEADERS_TOO_LARGE',
        detail: `The request line and headers are longer than ${maxHeaderBytes} bytes.`,
      }
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return { status: 413, code: 'PAYLOAD_TOO_LARGE', detail: 'The chunk extensions are too long.' }
    case 'HPE_INVALID_METHOD':
      return malformed('UNKNOWN_METHOD', 'The request method is not known.')
    default:
      // The parser's reasons are fixed sentences, such as "Content-Length can't be present with Transfer-Encoding".
      return malformed(
        'MALFORMED_REQUEST',
        `This is not a valid HTTP request: ${error.reason ?? 'it cannot be parsed'}.`,
      )
  }
}

function malformed(code: string, detail: string): Problem {
  return { status: 400, code, detail }
}
