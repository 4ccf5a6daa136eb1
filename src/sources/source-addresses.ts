import type { Sealer } from '../secrets/index.ts'
import { openToken } from './ingress-token.ts'
import type { Source } from './source.entity.ts'

interface PublicUrl {
  /** Where clients reach this installation, with or without a slash at the end. */
  readonly publicUrl: string
}

/**
 * The address with the token: a secret, for those who may manage the source.
 *
 * @returns null for a built-in source.
 * @throws SealError when the token does not open.
 */
export function ingressUrlOf(
  { sealer, publicUrl }: PublicUrl & { readonly sealer: Sealer },
  source: Pick<Source, 'id' | 'tokenSealed'>,
): string | null {
  const token = openToken(sealer, source)
  return token === null ? null : `${withoutSlash(publicUrl)}/in/${token}`
}

/** The named address. It is no secret, so it takes only what proves where it comes from. */
export function queueUrlOf({ publicUrl }: PublicUrl, projectName: string, sourceName: string): string {
  return `${withoutSlash(publicUrl)}/q/${projectName}/${sourceName}`
}

/** Where events are published in the source, with an API key. */
export function eventsUrlOf({ publicUrl }: PublicUrl, sourceName: string): string {
  return `${withoutSlash(publicUrl)}/events/${sourceName}`
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '')
}
