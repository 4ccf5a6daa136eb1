import type { ValueSelector } from '../kernel/value-selector.ts'
import { clientStateProof } from './client-state-proof.ts'
import { headerProof } from './credential-proofs.ts'
import {
  discordHandshake,
  dropboxHandshake,
  type Handshake,
  metaHandshake,
  microsoftGraphHandshake,
  slackHandshake,
  zoomHandshake,
} from './handshakes.ts'
import { ed25519PublicKey, generateText, standardWebhooksKey, standardWebhooksPublicKey, textKey } from './keys.ts'
import { linearTime } from './linear-time.ts'
import type { Proof } from './proof.ts'
import { signatureProof } from './signature-proof.ts'
import { generateSecret } from './standard-webhooks.ts'
import { twilioProof } from './twilio-proof.ts'
import type { AcceptedResponse, Mapping, SignatureFormat, VerificationPreset } from './verification.ts'

/** A provider's rules. A new provider is one entry of the table below, and its vector in the tests. */
interface Preset {
  /** For the enum of the API. */
  readonly description: string
  /** Of these one must hold. */
  readonly proofs: readonly Proof[]
  readonly handshake: Handshake | null
  readonly mapping: Mapping
  /** Makes a secret that the provider takes; null where the provider makes it. */
  readonly generate: (() => string) | null
  /** What the provider takes for success; null where any 2xx and body will do. */
  readonly acceptedResponse: AcceptedResponse | null
}

const unmapped: Mapping = { id: null, type: null, subject: null }

/** For providers that send an event again, and in the end no more, unless the status is 200. */
const plainOk: AcceptedResponse = { status: 200, headers: [], body: '' }

/** For providers whose requests come in two forms. */
function eitherHeader(...headers: readonly [string, string]): ValueSelector {
  return { firstOf: headers.map((header) => ({ header })) }
}

function eitherPointer(...pointers: readonly [string, string]): ValueSelector {
  return { firstOf: pointers.map((pointer) => ({ pointer })) }
}

/** The commonest form: the HMAC-SHA256 of the body, in hex. An entry says where it differs. */
const bodyHmac = {
  algorithm: 'HMAC_SHA256',
  content: '{body}',
  prefix: null,
  parameter: null,
  encoding: 'HEX',
  idHeader: null,
  timestampHeader: null,
  timestampParameter: null,
  toleranceMs: 300_000,
} satisfies Omit<SignatureFormat, 'header'>

/** Standard Webhooks, symmetric and asymmetric, with the headers `<brand>-id`, `-timestamp` and `-signature`. */
function standardWebhooks(brand: string): Proof[] {
  const format: SignatureFormat = {
    ...bodyHmac,
    content: '{id}.{timestamp}.{body}',
    header: `${brand}-signature`,
    prefix: 'v1,',
    encoding: 'BASE64',
    idHeader: `${brand}-id`,
    timestampHeader: `${brand}-timestamp`,
  }
  return [
    signatureProof(format, standardWebhooksKey),
    signatureProof({ ...format, algorithm: 'ED25519', prefix: 'v1a,' }, standardWebhooksPublicKey),
  ]
}

export const presets: Record<VerificationPreset, Preset> = {
  // The time is signed, so it is checked although Discord does not ask for it.
  // https://docs.discord.com/developers/interactions/overview
  DISCORD: {
    description: "Discord interactions; the secret is the application's public key.",
    proofs: [
      signatureProof(
        {
          ...bodyHmac,
          algorithm: 'ED25519',
          content: '{timestamp}{body}',
          header: 'X-Signature-Ed25519',
          timestampHeader: 'X-Signature-Timestamp',
        },
        ed25519PublicKey,
      ),
    ],
    handshake: discordHandshake,
    // Events are wrapped, interactions are not.
    mapping: { id: { pointer: '/id' }, type: eitherPointer('/event/type', '/type'), subject: null },
    generate: null,
    acceptedResponse: { status: 204, headers: [], body: '' },
  },
  // https://www.dropbox.com/developers/reference/webhooks
  DROPBOX: {
    description: 'Dropbox.',
    proofs: [signatureProof({ ...bodyHmac, header: 'X-Dropbox-Signature' }, textKey)],
    handshake: dropboxHandshake,
    mapping: unmapped,
    generate: null,
    acceptedResponse: plainOk,
  },
  // https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
  GITHUB: {
    description: 'GitHub.',
    proofs: [signatureProof({ ...bodyHmac, header: 'X-Hub-Signature-256', prefix: 'sha256=' }, textKey)],
    handshake: null,
    mapping: { id: { header: 'X-GitHub-Delivery' }, type: { header: 'X-GitHub-Event' }, subject: null },
    generate: generateText,
    acceptedResponse: null,
  },
  // Its secret token comes as it is; its signing token (`whsec_…`) signs by Standard Webhooks. Idempotency-Key stays the
  // same on a retry; X-Gitlab-Event-UUID is shared by the webhooks that one event sets off, so it is no id.
  // https://docs.gitlab.com/user/project/integrations/webhooks
  GITLAB: {
    description: 'GitLab: a secret token, or a signing token (`whsec_…`).',
    proofs: [...standardWebhooks('webhook'), headerProof('X-Gitlab-Token')],
    handshake: null,
    mapping: { id: { header: 'Idempotency-Key' }, type: { header: 'X-Gitlab-Event' }, subject: null },
    generate: generateSecret,
    acceptedResponse: null,
  },
  // https://linear.app/developers/webhooks
  LINEAR: {
    description: 'Linear.',
    proofs: [signatureProof({ ...bodyHmac, header: 'Linear-Signature' }, textKey, linearTime)],
    handshake: null,
    mapping: { id: { header: 'Linear-Delivery' }, type: { header: 'Linear-Event' }, subject: null },
    generate: null,
    acceptedResponse: plainOk,
  },
  // https://developers.facebook.com/docs/graph-api/webhooks/getting-started
  META: {
    description: 'Meta: Facebook, Instagram, WhatsApp.',
    proofs: [signatureProof({ ...bodyHmac, header: 'X-Hub-Signature-256', prefix: 'sha256=' }, textKey)],
    handshake: metaHandshake,
    mapping: { id: null, type: { pointer: '/object' }, subject: { pointer: '/entry/0/id' } },
    generate: null,
    acceptedResponse: plainOk,
  },
  // One request carries several notifications, so no id of one of them may keep another request out.
  // https://learn.microsoft.com/graph/change-notifications-delivery-webhooks
  MICROSOFT_GRAPH: {
    description: "Microsoft Graph; the secret is the subscription's clientState.",
    proofs: [clientStateProof],
    handshake: microsoftGraphHandshake,
    mapping: {
      id: null,
      type: eitherPointer('/value/0/changeType', '/value/0/lifecycleEvent'),
      subject: { pointer: '/value/0/resource' },
    },
    generate: generateText,
    acceptedResponse: null,
  },
  // Paddle's own libraries allow 5 s by default, less than a busy network or a drifting clock needs.
  // https://developer.paddle.com/webhooks/signature-verification
  PADDLE: {
    description: 'Paddle.',
    proofs: [
      signatureProof(
        {
          ...bodyHmac,
          content: '{timestamp}:{body}',
          header: 'Paddle-Signature',
          parameter: 'h1',
          timestampParameter: 'ts',
        },
        textKey,
      ),
    ],
    handshake: null,
    mapping: { id: { pointer: '/event_id' }, type: { pointer: '/event_type' }, subject: { pointer: '/data/id' } },
    generate: null,
    acceptedResponse: plainOk,
  },
  // https://shopify.dev/docs/apps/build/webhooks/subscribe/https
  SHOPIFY: {
    description: 'Shopify.',
    // The second header is that of Shopify's newer Events.
    proofs: ['X-Shopify-Hmac-Sha256', 'Shopify-Hmac-Sha256'].map((header) =>
      signatureProof({ ...bodyHmac, header, encoding: 'BASE64' }, textKey),
    ),
    handshake: null,
    // X-Shopify-Event-Id is shared by the webhooks of several subscriptions, so it is no id.
    mapping: {
      id: eitherHeader('X-Shopify-Webhook-Id', 'Shopify-Webhook-Id'),
      type: eitherHeader('X-Shopify-Topic', 'Shopify-Topic'),
      subject: eitherHeader('X-Shopify-Shop-Domain', 'Shopify-Shop-Domain'),
    },
    generate: null,
    acceptedResponse: null,
  },
  // https://docs.slack.dev/authentication/verifying-requests-from-slack
  SLACK: {
    description: 'Slack.',
    proofs: [
      signatureProof(
        {
          ...bodyHmac,
          content: 'v0:{timestamp}:{body}',
          header: 'X-Slack-Signature',
          prefix: 'v0=',
          timestampHeader: 'X-Slack-Request-Timestamp',
        },
        textKey,
      ),
    ],
    handshake: slackHandshake,
    mapping: {
      id: { pointer: '/event_id' },
      type: eitherPointer('/event/type', '/type'),
      subject: { pointer: '/team_id' },
    },
    generate: null,
    acceptedResponse: plainOk,
  },
  // https://developer.squareup.com/docs/webhooks/step3validate
  SQUARE: {
    description: 'Square.',
    proofs: [
      signatureProof(
        { ...bodyHmac, content: '{url}{body}', header: 'X-Square-HmacSha256-Signature', encoding: 'BASE64' },
        textKey,
      ),
    ],
    handshake: null,
    mapping: { id: { pointer: '/event_id' }, type: { pointer: '/type' }, subject: { pointer: '/merchant_id' } },
    generate: null,
    acceptedResponse: null,
  },
  // https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
  STANDARD_WEBHOOKS: {
    description: 'Standard Webhooks, HMAC or ed25519.',
    proofs: standardWebhooks('webhook'),
    handshake: null,
    mapping: { id: { header: 'webhook-id' }, type: { pointer: '/type' }, subject: null },
    generate: generateSecret,
    acceptedResponse: null,
  },
  // https://docs.stripe.com/webhooks/signature
  STRIPE: {
    description: 'Stripe; the secret is the whole `whsec_…` string.',
    proofs: [
      signatureProof(
        {
          ...bodyHmac,
          content: '{timestamp}.{body}',
          header: 'Stripe-Signature',
          parameter: 'v1',
          timestampParameter: 't',
        },
        textKey,
      ),
    ],
    handshake: null,
    mapping: { id: { pointer: '/id' }, type: { pointer: '/type' }, subject: { pointer: '/data/object/id' } },
    generate: null,
    acceptedResponse: null,
  },
  // https://docs.svix.com/receiving/verifying-payloads/how-manual
  SVIX: {
    description: 'Svix.',
    proofs: [...standardWebhooks('svix'), ...standardWebhooks('webhook')],
    handshake: null,
    mapping: { id: eitherHeader('svix-id', 'webhook-id'), type: { pointer: '/type' }, subject: null },
    generate: null,
    acceptedResponse: null,
  },
  // https://www.twilio.com/docs/usage/webhooks/webhooks-security
  TWILIO: {
    description: 'Twilio.',
    proofs: [twilioProof],
    handshake: null,
    mapping: { id: { header: 'I-Twilio-Idempotency-Token' }, type: null, subject: null },
    generate: null,
    acceptedResponse: { status: 200, headers: [['content-type', 'text/xml']], body: '<Response/>' },
  },
  // https://developers.zoom.us/docs/api/webhooks
  ZOOM: {
    description: 'Zoom.',
    proofs: [
      signatureProof(
        {
          ...bodyHmac,
          content: 'v0:{timestamp}:{body}',
          header: 'x-zm-signature',
          prefix: 'v0=',
          timestampHeader: 'x-zm-request-timestamp',
        },
        textKey,
      ),
    ],
    handshake: zoomHandshake,
    mapping: { id: null, type: { pointer: '/event' }, subject: { pointer: '/payload/object/id' } },
    generate: null,
    acceptedResponse: plainOk,
  },
}
