import { bodyAlreadyRead, readBody } from './read-body.ts'
import { type Answer, bodyTooLarge, type Receiver } from './receiver.ts'
import { ReceiverError } from './receiver-error.ts'

/**
 * For servers in the manner of Fetch: Hono (`context.req.raw`), Next.js, Deno, Bun, edge runtimes with `node:crypto`.
 *
 * @returns a handler that never rejects.
 */
export function fetchHandler<Payloads>(receiver: Receiver<Payloads>): (request: Request) => Promise<Response> {
  return async (request) => responseOf(await answerTo(receiver, request))
}

async function answerTo<Payloads>(receiver: Receiver<Payloads>, request: Request): Promise<Answer> {
  if (request.bodyUsed) return receiver.fail(new ReceiverError('BODY_ALREADY_READ', bodyAlreadyRead))
  try {
    const body = request.body === null ? new Uint8Array() : await readBody(request.body, receiver.maxBodyBytes)
    return body === null ? bodyTooLarge : await receiver.receive({ headers: request.headers, body })
  } catch (error) {
    return receiver.fail(error)
  }
}

function responseOf({ status, ...body }: Answer): Response {
  return Response.json(body, { status })
}
