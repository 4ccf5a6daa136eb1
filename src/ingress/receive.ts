import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import type { RefusalLog } from '../refusals/index.ts'
import type { IngressSource, SourceDirectory } from '../sources/index.ts'
import { type AcceptDependencies, accept, type Receiving } from './accept.ts'
import { admit } from './admission.ts'
import { type IngressAnswer, notFound, unavailable } from './answer.ts'
import type { RateLimiter } from './rate-limiter.ts'
import { type BodyBudget, readBody } from './read-body.ts'
import { type Refused, report, tooLarge } from './refused.ts'
import { permissionFor } from './webhook-permission.ts'

/** Where a request was sent to. */
export type IngressAddress =
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'queue'; readonly project: string; readonly source: string }

/** One request to a source's address, free of the HTTP server. */
export interface IngressRequest {
  readonly address: IngressAddress
  readonly method: string
  /** Path and query, raw. */
  readonly target: string
  /** What followed the address, raw; null when nothing did. */
  readonly path: string | null
  /** Without `?`; null when there was none. */
  readonly query: string | null
  /** Lower-case names; repeated ones joined or listed as Node does. */
  readonly headers: IncomingHttpHeaders
  /** Names and values in turns, in the order received. */
  readonly rawHeaders: readonly string[]
  readonly remoteAddress: string
  readonly body: Readable
  /** Adds to the request's log line. */
  note(fields: Readonly<Record<string, unknown>>): void
}

export interface Ingress {
  /** @returns null when the sender went away before the request was whole. Never throws for what a sender did. */
  receive(request: IngressRequest): Promise<IngressAnswer | null>
}

export interface IngressDependencies extends AcceptDependencies {
  readonly directory: Pick<SourceDirectory, 'byToken' | 'byQueue'>
  readonly budget: BodyBudget
  readonly refusals: Pick<RefusalLog, 'add'>
  readonly rateLimiter: Pick<RateLimiter, 'take'>
}

export function createIngress(dependencies: IngressDependencies): Ingress {
  return {
    async receive(request) {
      const source = await findSource(dependencies, request.address)
      if (source === 'unavailable') return unavailable('DATABASE_UNAVAILABLE', 2)
      if (source === null) return notFound
      request.note({ projectId: source.projectId, sourceId: source.id })
      const permission = request.method === 'OPTIONS' ? permissionFor(request.headers, source) : null
      const admission = permission ?? (await admit(dependencies.rateLimiter, request, admitting(request, source)))
      switch (admission.kind) {
        case 'refused':
          return report(dependencies.refusals, source, { ...about(request), bodyBytes: 0 }, admission)
        case 'answered':
          return admission
        default:
          return await receiveBody(dependencies, { request, source, admission })
      }
    },
  }
}

// Some providers ask by GET whether the address is theirs to send to, whatever method their messages come by. What is no
// such question is turned away when it is verified.
function admitting({ method }: IngressRequest, source: IngressSource): IngressSource {
  if (method !== 'GET' || source.preset === null || source.allowedMethods.includes('GET')) return source
  return { ...source, allowedMethods: [...source.allowedMethods, 'GET'] }
}

async function findSource(
  { directory, onError }: IngressDependencies,
  address: IngressAddress,
): Promise<IngressSource | null | 'unavailable'> {
  try {
    return address.kind === 'token'
      ? await directory.byToken(address.token)
      : await directory.byQueue(address.project, address.source)
  } catch (error) {
    onError(error)
    return 'unavailable'
  }
}

async function receiveBody(dependencies: IngressDependencies, receiving: Receiving): Promise<IngressAnswer | null> {
  const { budget, refusals } = dependencies
  const { request, source } = receiving
  const refuse = (bodyBytes: number, refusal: Refused) =>
    report(refusals, source, { ...about(request), bodyBytes }, refusal)
  const read = await readBody(request.body, { source, maxBytes: source.maxBodyBytes, budget })
  switch (read.kind) {
    case 'too-large':
      return refuse(read.bytes, tooLarge(source))
    case 'no-room':
      return unavailable('OVERLOADED', 1)
    case 'aborted':
      return null
    default:
  }
  try {
    const answer = await accept(dependencies, receiving, read.body)
    return answer.kind === 'refused' ? refuse(read.body.length, answer) : answer
  } finally {
    budget.give(source, read.body.length)
  }
}

function about({ method, remoteAddress }: IngressRequest) {
  return { method, remoteAddress }
}
