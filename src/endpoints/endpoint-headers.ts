import type { EndpointId } from '../kernel/ids.ts'
import type { Issue } from '../kernel/outcome.ts'
import { checkCustomHeaderName, checkHeaderValue, issue } from '../projects/input-checks.ts'
import type { SealContext, Sealer } from '../secrets/index.ts'
import type { HeaderInput } from '../sources/accepted-response.ts'

/*
 * The header fields that an endpoint's client adds to every request. All of their values rest sealed, because a header is
 * where credentials go, whether or not the client says so.
 */

export type HeaderField = readonly [name: string, value: string]

const maxHeaders = 50
/** Servers refuse requests whose heads are much larger; ours has fields of its own as well. */
const maxCharacters = 16_384

type Path = readonly string[]

export function checkHeaders(headers: readonly HeaderInput[], path: Path): Issue[] {
  if (headers.length > maxHeaders) {
    return [issue('OUT_OF_RANGE', path, `At most ${maxHeaders} header fields are possible.`)]
  }
  const total = headers.reduce((sum, { name, value }) => sum + name.length + value.length, 0)
  if (total > maxCharacters) {
    return [issue('OUT_OF_RANGE', path, `All header fields together have at most ${maxCharacters} characters.`)]
  }
  const names = headers.map(({ name }) => name.toLowerCase())
  return headers.flatMap(({ name, value }, position) => {
    const place = [...path, `${position}`]
    const isRepeated = names.indexOf(name.toLowerCase()) < position
    return [
      ...checkEndpointHeaderName(name, [...place, 'name']),
      ...(isRepeated ? [issue('MALFORMED', [...place, 'name'], `The header ${name} is given twice.`)] : []),
      ...checkHeaderValue(value, [...place, 'value']),
    ]
  })
}

/** Set by Hookline for each request, by the payload's form and the signature's. */
const ownHeaders = new Set(['accept-encoding', 'content-encoding', 'content-type', 'user-agent'])
const ownPrefixes = ['webhook-', 'x-webhook-', 'hookline-', 'ce-']

/** A name that clients may set on deliveries: neither HTTP's own, nor one that Hookline sets. */
export function checkEndpointHeaderName(name: string, path: Path): Issue[] {
  const lowerCase = name.toLowerCase()
  if (ownHeaders.has(lowerCase) || ownPrefixes.some((prefix) => lowerCase.startsWith(prefix))) {
    return [issue('MALFORMED', path, `The header ${name} is Hookline's to set.`)]
  }
  return checkCustomHeaderName(name, path)
}

/** @returns null when there are none. */
export function sealHeaders(sealer: Sealer, id: EndpointId, headers: readonly HeaderInput[]): string | null {
  const stored = headers.map(({ name, value, isSecret }): HeaderInput => ({ name, value, isSecret }))
  return stored.length === 0 ? null : sealer.seal(JSON.stringify(stored), endpointSeal(id))
}

interface SealedHeaders {
  readonly id: EndpointId
  readonly sealedHeaders?: string | null | undefined
}

/** As they are sent. @throws SealError when they do not open. */
export function openHeaders(sealer: Sealer, endpoint: SealedHeaders): HeaderField[] {
  return storedHeaders(sealer, endpoint).map(({ name, value }) => [name, value])
}

const secretName = /auth|cookie|token|key|secret|passw|credential|signature|session/i

/**
 * As they are shown: a value that was given as secret, or whose name says that it is one, is redacted.
 *
 * @throws SealError when they do not open.
 */
export function shownHeaders(sealer: Sealer, endpoint: SealedHeaders): HeaderField[] {
  return storedHeaders(sealer, endpoint).map(({ name, value, isSecret }) => [
    name,
    isSecret || secretName.test(name) ? '[redacted]' : value,
  ])
}

function storedHeaders(sealer: Sealer, { id, sealedHeaders }: SealedHeaders): HeaderInput[] {
  return sealedHeaders ? JSON.parse(sealer.open(sealedHeaders, endpointSeal(id))) : []
}

/** What is sealed in an endpoint's row opens only there. */
export function endpointSeal(endpointId: EndpointId): SealContext {
  return { table: 'endpoints', rowId: endpointId }
}
