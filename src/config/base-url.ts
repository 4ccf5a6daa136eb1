import type { Config } from './config.ts'

/** The URL under which clients reach us, without a slash at the end: PUBLIC_URL, or else the address we listen on. */
export function baseUrlOf(config: Pick<Config, 'publicUrl' | 'tls' | 'host'>, port: number): string {
  if (config.publicUrl !== null) return config.publicUrl
  const isAny = ['0.0.0.0', '::', '127.0.0.1', '::1'].includes(config.host)
  const bracketed = config.host.includes(':') ? `[${config.host}]` : config.host
  return `${config.tls === null ? 'http' : 'https'}://${isAny ? 'localhost' : bracketed}:${port}`
}
