import { expect, test } from 'vitest'
import { requestOf } from '../../src/deliveries/request-of.ts'
import { generateSigningSecret, publicKeyOf, signingKeyOf } from '../../src/endpoints/signing-secret.ts'
import { newId } from '../../src/kernel/ids.ts'
import { createVerifier, type VerifierOptions } from '../../src/receiver/index.ts'

const payloadFormats = ['exact', 'cloudevents-structured', 'cloudevents-binary', 'envelope'] as const
const schemes = ['standard-webhooks', 'standard-webhooks-ed25519', 'plain-sha256'] as const
const data = { order: 7, text: 'Zoë 😀' }
const messageId = newId('msg')

interface Sent {
  readonly format: (typeof payloadFormats)[number]
  readonly secret: string
  readonly eventType?: string
}

/** The gateway's request for an event, as a server's framework hands it over. */
async function send({ format, secret, eventType = 'order.created' }: Sent) {
  const { scheme, key } = signingKeyOf(secret)
  const message = {
    id: messageId,
    receivedAt: new Date(),
    contentType: 'application/json',
    body: Buffer.from(JSON.stringify(data)),
    eventId: 'e-1',
    eventSource: '/shop',
    eventType,
    eventSubject: null,
    eventTime: null,
    eventDataSchema: null,
    eventExtensions: null,
    sourceName: 'inbox',
  }
  const request = await requestOf({
    endpoint: {
      url: 'https://receiver.example/hooks',
      method: 'POST',
      payloadFormat: format,
      headers: [],
      authentication: null,
      signing: scheme,
      secrets: [key],
      otherSecrets: [],
      timeoutMs: 1_000,
    },
    delivery: { id: newId('dlv'), attemptNumber: 2, message },
    userAgent: 'Hookline',
    signal: new AbortController().signal,
    nowMs: Date.now(),
  })
  return { headers: Object.fromEntries(request.headers), body: request.body ?? new Uint8Array() }
}

function verifierOptions(secret: string): VerifierOptions {
  if (signingKeyOf(secret).scheme === 'plain-sha256') return { plainSecrets: [secret] }
  return { secrets: [publicKeyOf(secret) ?? secret] }
}

test.each(payloadFormats.flatMap((format) => schemes.map((scheme) => ({ format, scheme }))))(
  'the kit takes what the gateway sends as $format, signed by $scheme',
  async ({ format, scheme }) => {
    const secret = generateSigningSecret(scheme)
    const verification = createVerifier(verifierOptions(secret))(await send({ format, secret }))
    if (verification.kind === 'refused') throw new Error(verification.detail)
    const { event } = verification
    expect([event.id, event.header('hookline-attempt')]).toEqual([messageId, '2'])
    const isBare = format === 'exact' || format === 'cloudevents-binary'
    expect(event.json()).toEqual(isBare ? data : expect.objectContaining({ data }))
    expect(event.type).toBe('order.created')

    const otherSecret = generateSigningSecret(scheme)
    const other = createVerifier(verifierOptions(otherSecret))(await send({ format, secret }))
    expect(other).toMatchObject({ kind: 'refused', code: 'SIGNATURE_WRONG' })
  },
)

test.each(['plain-sha256', 'standard-webhooks'] as const)(
  'a type of any characters arrives as it is, by %s',
  async (scheme) => {
    const eventType = 'größe "100%" 😀'
    const secret = generateSigningSecret(scheme)
    const verification = createVerifier(verifierOptions(secret))(
      await send({ format: 'cloudevents-binary', secret, eventType }),
    )
    expect(verification).toMatchObject({ kind: 'verified', event: { type: eventType } })
  },
)

test.each(['cloudevents-structured', 'envelope'] as const)(
  'of the form %s the type that is signed in the body wins over a header that somebody changed',
  async (format) => {
    const secret = generateSigningSecret('standard-webhooks')
    const { headers, body } = await send({ format, secret })
    const changed = { ...headers, 'hookline-event-type': 'order.canceled', 'x-webhook-event': 'order.canceled' }
    const verification = createVerifier({ secrets: [secret] })({ headers: changed, body })
    expect(verification).toMatchObject({ kind: 'verified', event: { type: 'order.created' } })
  },
)
