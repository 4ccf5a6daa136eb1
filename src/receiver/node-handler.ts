import type { IncomingMessage, ServerResponse } from 'node:http'
import { bodyAlreadyRead, readBody } from './read-body.ts'
import { type Answer, bodyTooLarge, type Receiver } from './receiver.ts'
import { ReceiverError } from './receiver-error.ts'

/** A request on which frameworks may have left the body's bytes. */
type NodeRequest = IncomingMessage & { readonly body?: unknown; readonly rawBody?: unknown }

/**
 * For `node:http`, and for Express and its like: before a body parser, or behind one that keeps bytes (`express.raw`, or
 * `rawBody` as some platforms set it). Behind `express.json` it answers 500 and tells `onError` why.
 *
 * @returns a handler that never rejects.
 */
export function nodeHandler<Payloads>(
  receiver: Receiver<Payloads>,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  return async (request, response) => {
    const answer = await answerTo(receiver, request)
    // The sender went in the middle of its body: there is nobody to answer.
    if (answer === null) return
    const { status, ...body } = answer
    const text = JSON.stringify(body)
    response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
    response.end(text)
    // What still comes of a body that is too large is dropped; to close the connection could take the answer from its sender.
    request.resume()
  }
}

async function answerTo<Payloads>(receiver: Receiver<Payloads>, request: NodeRequest): Promise<Answer | null> {
  try {
    const body = keptBytes(request) ?? (await readUnread(request, receiver.maxBodyBytes))
    if (body === 'gone') return receiver.fail(new ReceiverError('BODY_ALREADY_READ', bodyAlreadyRead))
    return body === null ? bodyTooLarge : await receiver.receive({ headers: request.headers, body })
  } catch (error) {
    return request.errored === null ? receiver.fail(error) : null
  }
}

function keptBytes({ body, rawBody }: NodeRequest): Uint8Array | null {
  if (rawBody instanceof Uint8Array) return rawBody
  return body instanceof Uint8Array ? body : null
}

async function readUnread(request: IncomingMessage, maxBytes: number): Promise<Uint8Array | null | 'gone'> {
  // Of an empty body no data are emitted, and nothing is lost when somebody has read it.
  if (request.readableDidRead) return 'gone'
  if (request.readableEnded) return new Uint8Array()
  return await readBody(request.iterator({ destroyOnReturn: false }), maxBytes)
}
