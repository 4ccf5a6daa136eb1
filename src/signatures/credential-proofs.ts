import { defineProof, digestOf, findByDigest, headerText, type Proof } from './proof.ts'
import { refuse } from './refusal.ts'
import type { Refused, VerifiableRequest } from './verification.ts'

/** Digests of what the request shows as its credential; several where a header or parameter was repeated. */
interface CredentialClaim {
  readonly kind: 'claim'
  readonly digests: readonly Buffer[]
}

/** The query parameter that may hold a bearer token. @see RFC 6750, section 2.3 */
export const accessTokenParameter = 'access_token'

const maxCandidates = 10

/** The secret itself, in a named header. */
export function headerProof(header: string): Proof {
  const name = header.toLowerCase()
  return defineProof<CredentialClaim, Buffer>({
    checkSecret: checkHeaderSecret,
    keyOf: digestOf,
    credentialHeaders: [name],
    read(request) {
      const text = headerText(request.headers, name)
      return text === null
        ? refuse('CREDENTIAL_MISSING', `This source demands the header ${header}.`)
        : claimOf([text, ...text.split(', ', maxCandidates)])
    },
    find: (claim, keys) => findByDigest(claim.digests, keys),
    wrong: () => refuse('CREDENTIAL_WRONG', `The value of ${header} is no secret of this source.`),
  })
}

function checkHeaderSecret(text: string): string | null {
  const isFit = /^[\x21-\x7e](?:[\x20-\x7e]{0,998}[\x21-\x7e])?$/.test(text)
  return isFit ? null : 'The secret must be 1 to 1,000 printable ASCII characters without spaces at its ends.'
}

/** `Authorization: Bearer`, or `access_token` in the query. */
export function bearerProof(): Proof {
  return defineProof<CredentialClaim, Buffer>({
    checkSecret: checkBearer,
    keyOf: digestOf,
    credentialHeaders: ['authorization'],
    read: readBearer,
    find: (claim, keys) => findByDigest(claim.digests, keys),
    wrong: () =>
      refuse('CREDENTIAL_WRONG', 'The bearer token is no secret of this source.', {
        headers: { 'www-authenticate': 'Bearer realm="hookline", error="invalid_token"' },
      }),
  })
}

function checkBearer(text: string): string | null {
  const isFit = text.length >= 16 && text.length <= 512 && /^[A-Za-z0-9._~+/-]+=*$/.test(text)
  return isFit ? null : 'A bearer token must be 16 to 512 letters, digits or any of `-._~+/`, with `=` only at its end.'
}

function readBearer({ headers, query }: VerifiableRequest): CredentialClaim | Refused {
  const token = /^bearer +([^ ].*)$/i.exec(headerText(headers, 'authorization') ?? '')?.[1]
  const tokens = token === undefined ? parametersOf(query, accessTokenParameter) : [token.trimEnd()]
  if (tokens.length > 0) return claimOf(tokens)
  return refuse('CREDENTIAL_MISSING', 'This source demands `Authorization: Bearer`, or `access_token` in the query.', {
    headers: { 'www-authenticate': 'Bearer realm="hookline"' },
  })
}

function parametersOf(query: string | null, name: string): string[] {
  return query === null ? [] : new URLSearchParams(query).getAll(name).slice(0, maxCandidates)
}

/** `Authorization: Basic`, in UTF-8. @see RFC 7617 */
export function basicProof(username: string): Proof {
  const headers = { 'www-authenticate': 'Basic realm="hookline", charset="UTF-8"' }
  return defineProof<CredentialClaim, Buffer>({
    checkSecret: checkPassword,
    keyOf: (password) => digestOf(`${username}:${password}`),
    credentialHeaders: ['authorization'],
    read(request) {
      const credentials = readBasic(headerText(request.headers, 'authorization') ?? '')
      return credentials === null
        ? refuse('CREDENTIAL_MISSING', 'This source demands `Authorization: Basic`.', { headers })
        : { kind: 'claim', digests: [digestOf(credentials)] }
    },
    find: (claim, keys) => findByDigest(claim.digests, keys),
    wrong: () => refuse('CREDENTIAL_WRONG', 'User name or password is wrong.', { headers }),
  })
}

function checkPassword(text: string): string | null {
  const isFit = text.length >= 1 && text.length <= 1_000 && !/\p{Cc}/u.test(text)
  return isFit ? null : 'The password must have 1 to 1,000 characters, none of them a control character.'
}

function readBasic(header: string): Buffer | null {
  const encoded = /^basic +([A-Za-z0-9+/]+={0,2}) *$/i.exec(header)?.[1]
  return encoded === undefined ? null : Buffer.from(encoded, 'base64')
}

function claimOf(texts: readonly string[]): CredentialClaim {
  return { kind: 'claim', digests: texts.map(digestOf) }
}
