import { createHmac } from 'node:crypto'
import { memberOf, parseJsonBody } from './json-body.ts'
import { digestOf } from './proof.ts'
import { refuse } from './refusal.ts'
import type { Answered, Refused, VerifiableRequest } from './verification.ts'

/**
 * How a provider asks whether an address is ours. `greet` looks at requests that prove nothing, so it may only repeat
 * what they say; `reply` at those that hold. Null: no handshake, go on.
 */
export interface Handshake {
  greet?(request: VerifiableRequest, verifyToken: string | null): Answered | Refused | null
  /** @param secret the text of the secret that held. */
  reply?(request: VerifiableRequest, secret: string): Answered | null
}

/** A longer challenge is none: no provider sends one, and what we repeat is bounded. */
const maxChallengeCharacters = 1_024

/** The body of a handshake is small; larger ones are not parsed in search of one. */
const maxHandshakeBytes = 65_536

/** Dropbox: `GET ?challenge=`. */
export const dropboxHandshake: Handshake = {
  greet: ({ method, query }) => (method === 'GET' ? echoOf(parameterOf(query, 'challenge')) : null),
}

/** Microsoft Graph: `POST ?validationToken=`; repeated as decoded. */
export const microsoftGraphHandshake: Handshake = {
  greet: ({ method, query }) => (method === 'POST' ? echoOf(parameterOf(query, 'validationToken')) : null),
}

/** Meta: `GET ?hub.mode=subscribe&hub.verify_token=&hub.challenge=`; 403 when the token is not the one agreed on. */
export const metaHandshake: Handshake = {
  greet({ method, query }, verifyToken) {
    if (method !== 'GET') return null
    const given = parameterOf(query, 'hub.verify_token')
    const isAgreed = verifyToken !== null && given !== null && digestOf(given).equals(digestOf(verifyToken))
    const isSubscribing = parameterOf(query, 'hub.mode') === 'subscribe'
    const answer = isAgreed && isSubscribing ? echoOf(parameterOf(query, 'hub.challenge')) : null
    return answer ?? notAgreed(given === null)
  },
}

function notAgreed(isMissing: boolean): Refused {
  const detail =
    'A GET must be the subscription of Meta: hub.mode, hub.challenge and the hub.verify_token of this source.'
  return refuse(isMissing ? 'CREDENTIAL_MISSING' : 'CREDENTIAL_WRONG', detail, { status: 403 })
}

/** Slack: a signed `url_verification` with a `challenge`. */
export const slackHandshake: Handshake = {
  reply({ body }) {
    const event = handshakeBody(body, 'url_verification')
    return memberOf(event, 'type') === 'url_verification' ? echoOf(memberOf(event, 'challenge')) : null
  },
}

/** Zoom: a signed `endpoint.url_validation` whose `plainToken` is to be signed with the same secret. */
export const zoomHandshake: Handshake = {
  reply({ body }, secret) {
    const event = handshakeBody(body, 'endpoint.url_validation')
    const plainToken = memberOf(memberOf(event, 'payload'), 'plainToken')
    if (memberOf(event, 'event') !== 'endpoint.url_validation' || !isChallenge(plainToken)) return null
    const encryptedToken = createHmac('sha256', secret).update(plainToken).digest('hex')
    return answer(200, 'application/json', JSON.stringify({ plainToken, encryptedToken }))
  },
}

/**
 * Discord: a signed PING. Interactions have type 1 and want it back; of webhook events type 0 wants an empty answer,
 * and type 1 is an event.
 */
export const discordHandshake: Handshake = {
  reply({ body }) {
    const ping = handshakeBody(body, '"type"')
    const type = memberOf(ping, 'type')
    if (memberOf(ping, 'event') !== undefined) return null
    if (type === 1) return answer(200, 'application/json', '{"type":1}')
    return type === 0 ? answer(204, 'application/json', '') : null
  },
}

function parameterOf(query: string | null, name: string): string | null {
  return query === null ? null : new URLSearchParams(query).get(name)
}

/** Undefined when the body is too large for a handshake or has not the mark of one. */
function handshakeBody(body: Buffer, mark: string): unknown {
  return body.length <= maxHandshakeBytes && body.includes(mark) ? parseJsonBody(body) : undefined
}

function isChallenge(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= maxChallengeCharacters
}

/** Repeats a challenge as a text that no browser takes for anything else. */
function echoOf(challenge: unknown): Answered | null {
  return isChallenge(challenge) ? answer(200, 'text/plain; charset=utf-8', challenge) : null
}

function answer(status: number, contentType: string, body: string): Answered {
  const headers = { 'content-type': contentType, 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' }
  return { kind: 'answered', status, headers, body }
}
