import type { IncomingHttpHeaders } from 'node:http'

/** Whether a request comes from a page that may use what it asks for, or from no page at all. */
export type OriginCheck = (headers: IncomingHttpHeaders) => boolean

export interface OriginOptions {
  /** Pages of its origin may, beside those of the host that is asked. */
  readonly publicUrl: string
  /** Further origins, such as `https://app.example.com`. */
  readonly allowedOrigins?: readonly string[]
}

/**
 * Browsers open WebSockets and event streams anywhere for any page, and say for which. Keys do not travel by themselves as
 * cookies do, so this is a second line: a page of another origin has no business here. Other clients send no Origin.
 */
export function createOriginCheck({ publicUrl, allowedOrigins = [] }: OriginOptions): OriginCheck {
  const allowed = new Set([new URL(publicUrl).origin, ...allowedOrigins])
  return ({ origin: text, host }) => {
    if (text === undefined) return true
    const origin = URL.parse(text)
    return origin !== null && (origin.host === host || allowed.has(origin.origin))
  }
}
