import { builder } from '../graphql/builder.ts'
import { contextLoader } from '../graphql/context-loader.ts'
import type { SourceId } from '../kernel/ids.ts'
import type { Secret } from '../secrets/secret.entity.ts'
import { activeSecrets } from '../secrets/secret-store.ts'
import { presetDescriptions, type VerificationPreset, type VerificationRules } from '../signatures/index.ts'
import { SecretType } from './secrets.graphql.ts'
import { SignatureFormatType, SignatureVerificationInput } from './signature-format.graphql.ts'
import type { StoredVerification } from './source-verification.ts'

const schemes = {
  PRESET: { description: 'As a known provider does it, with its challenges and handshakes.' },
  SIGNATURE: { description: 'A signature of a form that is described here.' },
  API_KEY: { description: 'A key in a named header.' },
  BEARER: { description: '`Authorization: Bearer`, or `access_token` in the query.' },
  BASIC: { description: '`Authorization: Basic`.' },
} satisfies Record<VerificationRules['scheme'], { description: string }>

const SchemeEnum = builder.enumType('VerificationScheme', {
  description: 'The kind of proof that a sender gives.',
  values: schemes,
})

const PresetEnum = builder.enumType('VerificationPreset', {
  description: 'Providers whose webhooks are understood without description.',
  values: Object.fromEntries(
    Object.entries(presetDescriptions).map(([preset, description]) => [preset, { description }]),
  ) as Record<VerificationPreset, { description: string }>,
})

export const Verification = builder.objectRef<StoredVerification>('Verification').implement({
  description: "How a source's senders prove who they are.",
  fields: (t) => ({
    scheme: t.field({
      type: SchemeEnum,
      description: 'The kind of proof.',
      resolve: ({ verificationOptions }) => verificationOptions?.scheme ?? 'PRESET',
    }),
    preset: t.expose('verificationPreset', {
      type: PresetEnum,
      description: 'Whose rules are followed; null unless the scheme is PRESET.',
      nullable: true,
    }),
    header: t.string({
      description: 'The header that holds the key; null unless the scheme is API_KEY.',
      nullable: true,
      resolve: ({ verificationOptions: rules }) => (rules?.scheme === 'API_KEY' ? rules.header : null),
    }),
    username: t.string({
      description: 'The user name; null unless the scheme is BASIC.',
      nullable: true,
      resolve: ({ verificationOptions: rules }) => (rules?.scheme === 'BASIC' ? rules.username : null),
    }),
    signature: t.field({
      type: SignatureFormatType,
      description: 'The form of the signature; null unless the scheme is SIGNATURE.',
      nullable: true,
      resolve: ({ verificationOptions: rules }) => (rules?.scheme === 'SIGNATURE' ? rules.format : null),
    }),
    secrets: t.field({
      type: [SecretType],
      description: 'The secrets that are tried, newest first; at most 5. Scope: MANAGE.',
      authScopes: { scope: 'manage' },
      resolve: async ({ id }, _args, context) => [...((await secretsOf(context, id)) ?? [])],
    }),
  }),
})

const secretsOf = contextLoader<SourceId, readonly Secret[]>(async ({ services }, ids) => {
  const secrets = await activeSecrets(services.orm, ids)
  return new Map(ids.map((id) => [id, secrets.get(id) ?? []]))
})

const PresetVerificationInput = builder.inputType('PresetVerificationInput', {
  description: 'Verification as a known provider does it.',
  fields: (t) => ({
    preset: t.field({ type: PresetEnum, required: true, description: 'The provider.' }),
    secret: t.string({
      required: true,
      description: 'The secret (for public-key schemes the public key) as the provider shows it.',
    }),
    verifyToken: t.string({
      description: 'What the provider sends when it first asks whether the address is yours; only META needs it.',
    }),
  }),
})

export const HeaderCredentialInput = builder.inputType('HeaderCredentialInput', {
  description: 'A key in a header of its own.',
  fields: (t) => ({
    header: t.string({ required: true, description: "The header's name." }),
    value: t.string({ required: true, description: 'The key; write-only.' }),
  }),
})

export const BasicCredentialsInput = builder.inputType('BasicCredentialsInput', {
  description: 'User name and password.',
  fields: (t) => ({
    username: t.string({ required: true, description: 'The user name, without a colon.' }),
    password: t.string({ required: true, description: 'The password; write-only.' }),
  }),
})

export const VerificationInput = builder.inputType('VerificationInput', {
  description:
    'How senders shall prove who they are: exactly one way. Secrets are write-only; further ones come by `rotateSecret`.',
  isOneOf: true,
  fields: (t) => ({
    preset: t.field({ type: PresetVerificationInput, description: 'As a known provider does it.' }),
    signature: t.field({
      type: SignatureVerificationInput,
      description: 'By a signature of a form described here.',
    }),
    apiKey: t.field({ type: HeaderCredentialInput, description: 'By a key in a named header.' }),
    bearer: t.string({ description: 'By this bearer token; 16 to 512 characters.' }),
    basic: t.field({ type: BasicCredentialsInput, description: 'By user name and password.' }),
  }),
})
