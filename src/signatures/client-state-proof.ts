import { timingSafeEqual } from 'node:crypto'
import { memberOf, parseJsonBody } from './json-body.ts'
import { defineProof, digestOf, type PreparedKey, type Proof } from './proof.ts'
import { refuse } from './refusal.ts'
import type { Refused, VerifiableRequest } from './verification.ts'

/** As long as Microsoft Graph lets it be. */
const maxCharacters = 255

interface ClientStateClaim {
  readonly kind: 'claim'
  /** The different states of all notifications. */
  readonly digests: readonly Buffer[]
}

/**
 * The proof by a secret inside the body: every notification of Microsoft Graph repeats the subscription's clientState.
 *
 * @see https://learn.microsoft.com/graph/api/resources/changenotification
 */
export const clientStateProof: Proof = defineProof<ClientStateClaim, Buffer>({
  checkSecret: (text) =>
    text.length >= 1 && text.length <= maxCharacters ? null : 'A clientState has 1 to 255 characters.',
  keyOf: digestOf,
  credentialHeaders: [],
  read: readStates,
  find: findAll,
  wrong: () => refuse('CREDENTIAL_WRONG', 'A notification has a clientState that is no secret of this source.'),
})

function readStates({ body }: VerifiableRequest): ClientStateClaim | Refused {
  const entries = memberOf(parseJsonBody(body), 'value')
  const states = Array.isArray(entries) ? entries.map((entry) => memberOf(entry, 'clientState')) : []
  if (states.length === 0 || !states.every((state) => typeof state === 'string')) {
    return refuse(
      'CREDENTIAL_MISSING',
      'This source demands a JSON body whose `value` lists clientState in each entry.',
    )
  }
  return { kind: 'claim', digests: [...new Set(states)].map(digestOf) }
}

/** While secrets rotate, one request may carry the notifications of an older and of a newer subscription. */
function findAll({ digests }: ClientStateClaim, keys: readonly PreparedKey<Buffer>[]): PreparedKey<Buffer> | undefined {
  // More states than secrets: one of them is wrong.
  if (digests.length > keys.length) return undefined
  const found = digests.map((digest) => keys.find(({ key }) => timingSafeEqual(digest, key)))
  return found.includes(undefined) ? undefined : found[0]
}
