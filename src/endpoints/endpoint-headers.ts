import type { EndpointId } from '../kernel/ids.ts'
import { unreachable } from '../kernel/unreachable.ts'
import type { SealContext, Sealer } from '../secrets/index.ts'
import type { AuthenticationScheme } from './endpoint.entity.ts'

export type HeaderField = readonly [name: string, value: string]

/** What an endpoint's row holds sealed, and what tells how it is used. */
export interface SealedFields {
  readonly id: EndpointId
  readonly sealedHeaders: string | null
  readonly authentication: AuthenticationScheme | null
  readonly authenticationName: string | null
  readonly sealedCredential: string | null
}

/** The added header fields, as they are sent. @throws SealError when they do not open. */
export function openHeaders(sealer: Sealer, { id, sealedHeaders }: SealedFields): readonly HeaderField[] {
  return sealedHeaders === null ? [] : JSON.parse(sealer.open(sealedHeaders, contextOf(id)))
}

/** The header by which we prove who we are; null when there is none. @throws SealError when the credential does not open. */
export function authenticationHeader(sealer: Sealer, endpoint: SealedFields): HeaderField | null {
  const { id, authentication, authenticationName, sealedCredential } = endpoint
  if (authentication === null || sealedCredential === null) return null
  const credential = sealer.open(sealedCredential, contextOf(id))
  switch (authentication) {
    case 'basic':
      return ['Authorization', `Basic ${Buffer.from(`${authenticationName}:${credential}`, 'utf8').toString('base64')}`]
    case 'bearer':
      return ['Authorization', `Bearer ${credential}`]
    case 'api-key':
      return [authenticationName ?? '', credential]
    default:
      return unreachable(authentication)
  }
}

function contextOf(endpointId: EndpointId): SealContext {
  return { table: 'endpoints', rowId: endpointId }
}
