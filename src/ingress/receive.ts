import type { Readable } from 'node:stream'
import { newId } from '../kernel/ids.ts'
import type { NewMessage, Recorder } from '../messages/index.ts'
import type { IngressSource, SourceDirectory } from '../sources/index.ts'
import { type IngressAnswer, notFound, problem, unavailable } from './answer.ts'
import { type BodyBudget, readBody } from './read-body.ts'
import { verify } from './verify.ts'

/** One request to a source's address, free of the HTTP server. */
export interface IngressRequest {
  readonly token: string
  readonly method: string
  /** What followed the address; null when nothing did. */
  readonly path: string | null
  /** Without `?`; null when there was none. */
  readonly query: string | null
  /** Lower-case names; repeated ones joined or listed as Node does. */
  readonly headers: NodeJS.Dict<string | string[]>
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

export interface IngressDependencies {
  readonly directory: Pick<SourceDirectory, 'byToken'>
  readonly recorder: Pick<Recorder, 'record'>
  readonly budget: BodyBudget
  readonly onError: (error: unknown) => void
}

const acceptedMethods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']

/** A claim's key is indexed; a sender's id beyond this length keeps no second message out. */
const maxClaimKeyLength = 256

export function createIngress(dependencies: IngressDependencies): Ingress {
  return {
    async receive(request) {
      const source = await findSource(dependencies, request.token)
      if (source === 'unavailable') return unavailable('DATABASE_UNAVAILABLE', 2)
      if (source === null) return notFound
      request.note({ projectId: source.projectId, sourceId: source.id })
      return refusalByHead(request, source) ?? (await receiveBody(dependencies, request, source))
    },
  }
}

async function findSource(
  { directory, onError }: IngressDependencies,
  token: string,
): Promise<IngressSource | null | 'unavailable'> {
  try {
    return await directory.byToken(token)
  } catch (error) {
    onError(error)
    return 'unavailable'
  }
}

// What the request line and headers already say, before a byte of the body is read.
function refusalByHead(request: IngressRequest, source: IngressSource): IngressAnswer | null {
  if (!acceptedMethods.includes(request.method)) {
    const allow = acceptedMethods.join(', ')
    return problem(405, 'METHOD_NOT_ALLOWED', `${request.method} is not accepted here, but ${allow}.`, { allow })
  }
  const coding = request.headers['content-encoding']
  if (coding !== undefined && String(coding).toLowerCase() !== 'identity')
    return problem(415, 'CONTENT_CODING_NOT_ACCEPTED', 'Send the body without Content-Encoding.', {
      'accept-encoding': 'identity',
    })
  const announced = Number(request.headers['content-length'] ?? 0)
  return announced > source.maxBodyBytes ? tooLarge(source) : null
}

function tooLarge(source: IngressSource): IngressAnswer {
  return problem(413, 'BODY_TOO_LARGE', `The body is over this source's limit of ${source.maxBodyBytes} bytes.`)
}

async function receiveBody(
  dependencies: IngressDependencies,
  request: IngressRequest,
  source: IngressSource,
): Promise<IngressAnswer | null> {
  const { budget } = dependencies
  const read = await readBody(request.body, source.maxBodyBytes, budget)
  switch (read.kind) {
    case 'too-large':
      return tooLarge(source)
    case 'no-room':
      return unavailable('OVERLOADED', 1)
    case 'aborted':
      return null
    default:
  }
  try {
    const refusal = verify(source.verification, request.headers, read.body)
    return refusal ?? (await record(dependencies, request, source, read.body))
  } finally {
    budget.give(read.body.length)
  }
}

async function record(
  { recorder }: IngressDependencies,
  request: IngressRequest,
  source: IngressSource,
  body: Buffer,
): Promise<IngressAnswer> {
  const message = messageOf(request, source, body)
  const recorded = await recorder.record({ message, claimKey: claimKeyOf(message) })
  switch (recorded.kind) {
    case 'recorded':
      request.note({ messageId: recorded.id, sequence: recorded.sequence, isDuplicate: recorded.isDuplicate })
      return { ...recorded, kind: 'accepted' }
    case 'overloaded':
      return unavailable('OVERLOADED', 1)
    case 'unavailable':
      return unavailable('DATABASE_UNAVAILABLE', 2)
    case 'source-gone':
      return notFound
    default:
      return problem(422, 'NOT_STORABLE', 'The database cannot hold this request; sending it again will not help.')
  }
}

function messageOf(request: IngressRequest, source: IngressSource, body: Buffer): NewMessage {
  const isGithub = source.verification?.preset === 'GITHUB'
  return {
    id: newId('msg'),
    projectId: source.projectId,
    sourceId: source.id,
    receivedAt: new Date(),
    method: request.method,
    path: request.path,
    query: withoutAccessToken(request.query),
    headersText: JSON.stringify(pairsOf(request.rawHeaders)),
    contentType: single(request.headers['content-type']),
    remoteAddress: request.remoteAddress,
    body,
    eventId: isGithub ? single(request.headers['x-github-delivery']) : null,
    eventSource: null,
    eventType: isGithub ? single(request.headers['x-github-event']) : null,
    eventSubject: null,
    eventTime: null,
  }
}

// GitHub repeats a delivery under the same id; a verified sender may so name what it has sent already.
function claimKeyOf(message: NewMessage): string | null {
  if (message.eventId === null || message.eventId.length > maxClaimKeyLength) return null
  return message.eventId
}

function withoutAccessToken(query: string | null): string | null {
  const kept = (query ?? '').split('&').filter((pair) => !/^access_token(=|$)/i.test(pair))
  return kept.join('&') || null
}

function pairsOf(rawHeaders: readonly string[]): [string, string][] {
  const pairs: [string, string][] = []
  for (let index = 0; index + 1 < rawHeaders.length; index += 2)
    pairs.push([rawHeaders[index] ?? '', rawHeaders[index + 1] ?? ''])
  return pairs
}

function single(value: string | string[] | undefined): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}
