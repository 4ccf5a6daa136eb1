import type { LookupAddress, LookupAllOptions } from 'node:dns'
import type { LookupFunction } from 'node:net'
import type { AddressGuard } from './address-guard.ts'

/** The form of `dns.lookup` that is used here. */
export type Resolve = (
  hostname: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

/** Ends a connection before it begins. */
export class LookupError extends Error {
  readonly failure: 'DNS' | 'ADDRESS_REFUSED'

  constructor(failure: LookupError['failure'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'LookupError'
    this.failure = failure
  }
}

/**
 * A lookup for sockets that hands out addresses only if all of them are allowed: with one bad among good ones, the
 * receiver could choose by its answers which of them is tried. The socket connects to the very addresses judged here, so
 * that a second answer of the name server (DNS rebinding) changes nothing. Not called for hosts that are addresses.
 */
export function createGuardedLookup(guard: AddressGuard, resolve: Resolve): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      const [first] = addresses ?? []
      if (error !== null || first === undefined) {
        const reason = error?.code ?? 'no addresses'
        return callback(new LookupError('DNS', `${hostname} does not resolve (${reason})`, { cause: error }), [])
      }
      if (addresses.some(({ address }) => guard.verdict(address) === 'refused')) {
        // The address stays out of the text: it would map the operator's network for a tenant.
        const message = `${hostname} resolves to an address that is not a public one`
        return callback(new LookupError('ADDRESS_REFUSED', message), [])
      }
      if (options.all === true) callback(null, addresses)
      else callback(null, first.address, first.family)
    })
  }
}
