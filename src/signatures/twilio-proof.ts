import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto'
import { textKey } from './keys.ts'
import { defineProof, digestOf, headerText, type Proof } from './proof.ts'
import { formOf, refuse } from './refusal.ts'
import type { Refused, VerifiableRequest } from './verification.ts'

const header = 'X-Twilio-Signature'

/** Far more than Twilio sends: they are read and sorted before it is known who sent them. */
const maxFields = 1_000

interface TwilioClaim {
  readonly kind: 'claim'
  readonly candidates: readonly Buffer[]
  /** What Twilio may have signed: the address without and with its port. */
  readonly contents: readonly [string, string]
  readonly header: string
}

/**
 * The proof of Twilio, which signs the address and the fields of a form. A body that is no form is signed by its
 * SHA-256 in the address, so both the signature and that hash must hold.
 *
 * @see https://www.twilio.com/docs/usage/security
 */
export const twilioProof: Proof = defineProof<TwilioClaim, KeyObject>({
  checkSecret: (text) => (textKey.parse(text) === null ? textKey.demand : null),
  keyOf: textKey.parse,
  credentialHeaders: [],
  read: readClaim,
  find: ({ candidates, contents }, keys) =>
    keys.find(({ key }) =>
      contents.some((content) => {
        const expected = createHmac('sha1', key).update(content).digest()
        return candidates.some((candidate) => timingSafeEqual(candidate, expected))
      }),
    ),
  wrong: (claim) =>
    refuse('SIGNATURE_WRONG', `No secret of this source makes the signature in ${header}.`, {
      signature: formOf(claim.header),
      signedContentDigest: digestOf(claim.contents[0]).toString('hex'),
    }),
})

function readClaim(request: VerifiableRequest): TwilioClaim | Refused {
  const text = headerText(request.headers, header.toLowerCase())
  if (text === null) return refuse('SIGNATURE_MISSING', `This source demands the header ${header}.`)
  const candidates = candidatesOf(text)
  if (candidates.length === 0) {
    return refuse('SIGNATURE_MALFORMED', `${header} is not the base64 of 20 bytes.`, { signature: formOf(text) })
  }
  const fields = signedFieldsOf(request)
  if (typeof fields !== 'string') return { ...fields, signature: formOf(text) }
  const [bare, ported] = spellingsOf(request.url)
  return { kind: 'claim', candidates, contents: [bare + fields, ported + fields], header: text }
}

function candidatesOf(text: string): Buffer[] {
  const wellFormed = text.split(', ', 10).filter((item) => /^[A-Za-z0-9+/]{26}[AEIMQUYcgkosw048]=$/.test(item))
  return wellFormed.map((item) => Buffer.from(item, 'base64'))
}

/** What follows the address in the signed text. */
function signedFieldsOf({ headers, query, body }: VerifiableRequest): string | Refused {
  const bodyHash = new URLSearchParams(query ?? '').get('bodySHA256')
  if (bodyHash !== null) {
    const isTrue = digestOf(bodyHash.toLowerCase()).equals(digestOf(digestOf(body).toString('hex')))
    return isTrue ? '' : refuse('SIGNATURE_WRONG', 'The body is not the one whose hash is bodySHA256 in the address.')
  }
  if (body.length === 0) return ''
  const isForm = /^application\/x-www-form-urlencoded *(?:;|$)/i.test(headerText(headers, 'content-type') ?? '')
  if (isForm && countOf(body, ampersand, maxFields) >= maxFields) {
    return refuse('SIGNATURE_WRONG', `A form of Twilio has at most ${maxFields} fields.`)
  }
  if (isForm) return fieldsOf(body)
  return refuse(
    'SIGNATURE_WRONG',
    'A body that is no form must be signed by bodySHA256 in the address; this one is not.',
  )
}

const ampersand = 0x26

/** @returns `limit` when there are more. */
function countOf(body: Buffer, byte: number, limit: number): number {
  let count = 0
  for (let found = body.indexOf(byte); found !== -1 && count < limit; found = body.indexOf(byte, found + 1)) count++
  return count
}

/** Names and values, sorted by name; a repeated name has each of its different values, sorted. */
function fieldsOf(body: Buffer): string {
  const fields = new URLSearchParams(body.toString('utf8'))
  const names = [...new Set(fields.keys())].sort()
  const valuesByName = Map.groupBy(fields, ([name]) => name)
  return names
    .flatMap((name) =>
      [...new Set(valuesByName.get(name)?.map(([, value]) => value))].sort().map((value) => name + value),
    )
    .join('')
}

/** The address without a port, and with its own or the scheme's: Twilio signs one or the other. */
function spellingsOf(url: string): [string, string] {
  const match = /^([a-z][a-z0-9+.-]*:\/\/)([^/?#]*?)(:[0-9]*)?(?=[/?#]|$)/i.exec(url)
  if (match === null) return [url, url]
  const [whole, scheme = '', host = '', port] = match
  const rest = url.slice(whole.length)
  const ownPort = port ?? (scheme.toLowerCase() === 'https://' ? ':443' : ':80')
  return [scheme + host + rest, scheme + host + ownPort + rest]
}
