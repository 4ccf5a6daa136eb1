import type { EndpointId } from '../kernel/ids.ts'
import type { Issue } from '../kernel/outcome.ts'
import { unreachable } from '../kernel/unreachable.ts'
import { checkHeaderValue, checkText, checkUsername, issue } from '../projects/input-checks.ts'
import type { Sealer } from '../secrets/index.ts'
import type { AuthenticationScheme } from './endpoint.entity.ts'
import { checkEndpointHeaderName, endpointSeal, type HeaderField } from './endpoint-headers.ts'

/** How we prove who we are to an endpoint's server, beside the signature: exactly one field is given. */
export interface AuthenticationInput {
  readonly basic?: { readonly username: string; readonly password: string } | null | undefined
  /** 1 to 4,096 characters of ASCII, without spaces. */
  readonly bearer?: string | null | undefined
  readonly apiKey?: { readonly header: string; readonly value: string } | null | undefined
}

type Path = readonly string[]

const ways = ['basic', 'bearer', 'apiKey'] as const
const passwordBounds = { min: 1, max: 512 } as const
const bearerPattern = /^[\x21-\x7e]{1,4096}$/

export function checkAuthentication(input: AuthenticationInput, path: Path): Issue[] {
  const { basic, bearer, apiKey } = input
  const given = ways.filter((way) => input[way] !== undefined && input[way] !== null)
  if (given.length !== 1) return [issue('MALFORMED', path, 'The proof is given in exactly one way.')]
  if (basic) return checkBasic(basic, [...path, 'basic'])
  if (apiKey) return checkApiKey(apiKey, [...path, 'apiKey'])
  if (bearer === '') return [issue('REQUIRED', [...path, 'bearer'], 'A token is needed.')]
  if (bearerPattern.test(bearer ?? '')) return []
  const message = 'A bearer token has 1 to 4,096 characters, printable ones of ASCII without spaces.'
  return [issue('MALFORMED', [...path, 'bearer'], message)]
}

function checkBasic({ username, password }: { username: string; password: string }, path: Path): Issue[] {
  const passwordPath = [...path, 'password']
  return [
    ...checkUsername(username, [...path, 'username']),
    ...(/\p{Cc}/u.test(password)
      ? [issue('MALFORMED', passwordPath, 'A password has no control characters.')]
      : checkText(password, passwordPath, passwordBounds)),
  ]
}

function checkApiKey({ header, value }: { header: string; value: string }, path: Path): Issue[] {
  const valuePath = [...path, 'value']
  return [
    ...checkEndpointHeaderName(header, [...path, 'header']),
    ...(value === '' ? [issue('REQUIRED', valuePath, 'A key is needed.')] : checkHeaderValue(value, valuePath)),
  ]
}

/** How an endpoint's row holds the proof. */
export interface StoredAuthentication {
  readonly authentication?: AuthenticationScheme | null | undefined
  /** The user name, or the header that holds the key. */
  readonly authenticationName?: string | null | undefined
  readonly sealedCredential?: string | null | undefined
}

/** What is stored of an input that passed the check; null is no proof. */
export function sealAuthentication(
  sealer: Sealer,
  id: EndpointId,
  input: AuthenticationInput | null,
): Required<StoredAuthentication> {
  const { basic, bearer, apiKey } = input ?? {}
  const sealed = (credential: string) => ({ sealedCredential: sealer.seal(credential, endpointSeal(id)) })
  if (basic) return { authentication: 'basic', authenticationName: basic.username, ...sealed(basic.password) }
  if (apiKey) return { authentication: 'api-key', authenticationName: apiKey.header, ...sealed(apiKey.value) }
  if (bearer) return { authentication: 'bearer', authenticationName: null, ...sealed(bearer) }
  return { authentication: null, authenticationName: null, sealedCredential: null }
}

/** The name of the header that carries the proof; null when there is none. */
export function authenticationHeaderName({ authentication, authenticationName }: StoredAuthentication): string | null {
  if (!authentication) return null
  return authentication === 'api-key' ? (authenticationName ?? null) : 'Authorization'
}

/** The header that carries the proof; null when there is none. @throws SealError when the credential does not open. */
export function authenticationHeader(
  sealer: Sealer,
  endpoint: StoredAuthentication & { readonly id: EndpointId },
): HeaderField | null {
  const { id, authentication, authenticationName, sealedCredential } = endpoint
  const name = authenticationHeaderName(endpoint)
  if (!authentication || !sealedCredential || name === null) return null
  const credential = sealer.open(sealedCredential, endpointSeal(id))
  switch (authentication) {
    case 'basic':
      return [name, `Basic ${Buffer.from(`${authenticationName}:${credential}`, 'utf8').toString('base64')}`]
    case 'bearer':
      return [name, `Bearer ${credential}`]
    case 'api-key':
      return [name, credential]
    default:
      return unreachable(authentication)
  }
}
