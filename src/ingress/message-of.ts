import { newId } from '../kernel/ids.ts'
import type { NewMessage } from '../messages/index.ts'
import type { Verified } from '../signatures/index.ts'
import type { IngressSource } from '../sources/index.ts'
import type { EventAttributes } from './event-attributes.ts'
import type { IngressRequest } from './receive.ts'

export interface MessageParts {
  readonly request: IngressRequest
  readonly source: IngressSource
  readonly body: Buffer
  readonly attributes: EventAttributes
  /** Where the sender's credentials stood: these are not kept. */
  readonly credentials: Pick<Verified, 'credentialHeaders' | 'credentialParameters'>
  /** Null when the event fits its type's schema. */
  readonly schemaViolation: string | null
}

/** The message of a request, as it is stored: all of it, but for what its sender proved itself by. */
export function messageOf(parts: MessageParts): NewMessage {
  const { request, source, body, attributes, credentials, schemaViolation } = parts
  const contentType = request.headers['content-type']
  return {
    id: newId('msg'),
    projectId: source.projectId,
    sourceId: source.id,
    receivedAt: new Date(),
    method: request.method,
    path: request.path,
    query: withoutAccessToken(request.query, credentials.credentialParameters),
    headersText: JSON.stringify(pairsOf(request.rawHeaders, credentials.credentialHeaders)),
    contentType: contentType === undefined || contentType === '' ? null : contentType,
    remoteAddress: request.remoteAddress,
    body,
    eventId: attributes.id,
    eventSource: attributes.source,
    eventType: attributes.type,
    eventSubject: attributes.subject,
    eventTime: attributes.time,
    eventDataSchema: attributes.dataSchema,
    eventExtensions: attributes.extensions,
    schemaViolation,
  }
}

/** Holds a credential in any source: whoever puts it there means it as one. */
const tokenParameter = 'access_token'

/** @param others names of further parameters that hold credentials. */
export function withoutAccessToken(query: string | null, others: readonly string[] = []): string | null {
  if (query === null || query === '') return null
  const isKept = (pair: string) => {
    const [name = ''] = new URLSearchParams(pair).keys()
    return name.toLowerCase() !== tokenParameter && !others.includes(name)
  }
  return query.split('&').filter(isKept).join('&') || null
}

export function pairsOf(rawHeaders: readonly string[], credentialHeaders: readonly string[]): [string, string][] {
  const pairs: [string, string][] = []
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? ''
    const isCredential = credentialHeaders.length > 0 && credentialHeaders.includes(name.toLowerCase())
    pairs.push([name, isCredential ? '[redacted]' : (rawHeaders[index + 1] ?? '')])
  }
  return pairs
}
