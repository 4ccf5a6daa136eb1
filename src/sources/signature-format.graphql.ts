import { builder } from '../graphql/builder.ts'
import type { SignatureAlgorithm, SignatureEncoding, SignatureFormat } from '../signatures/index.ts'

const algorithms = {
  HMAC_SHA1: { description: 'HMAC with SHA-1.' },
  HMAC_SHA256: { description: 'HMAC with SHA-256.' },
  HMAC_SHA512: { description: 'HMAC with SHA-512.' },
  HASH_SHA1: { description: 'SHA-1 of secret and content.' },
  HASH_SHA256: { description: 'SHA-256 of secret and content.' },
  HASH_SHA512: { description: 'SHA-512 of secret and content.' },
  ED25519: { description: 'Ed25519; the secret is the public key.' },
} satisfies Record<SignatureAlgorithm, { description: string }>

const encodings = {
  HEX: { description: 'Hexadecimal, either case.' },
  BASE64: { description: 'Base64, standard alphabet.' },
} satisfies Record<SignatureEncoding, { description: string }>

const AlgorithmEnum = builder.enumType('SignatureAlgorithm', {
  description: 'How a signature is made. HMAC is keyed; HASH is the plain hash of secret and content.',
  values: algorithms,
})

const EncodingEnum = builder.enumType('SignatureEncoding', {
  description: "How a signature's bytes are written.",
  values: encodings,
})

export const SignatureFormatType = builder.objectRef<SignatureFormat>('SignatureFormat').implement({
  description: 'The form of a signature that no preset covers.',
  fields: (t) => ({
    algorithm: t.expose('algorithm', { type: AlgorithmEnum, description: 'How the signature is made.' }),
    content: t.exposeString('content', {
      description: 'What is signed: a template over `{id}`, `{timestamp}`, `{url}` and `{body}`.',
    }),
    header: t.exposeString('header', { description: 'The header that holds it.' }),
    prefix: t.exposeString('prefix', {
      description: 'What stands before it in the header, such as `sha256=`; null when nothing does.',
      nullable: true,
    }),
    parameter: t.exposeString('parameter', {
      description: 'Its key where the header is a list of `k=v`, such as `v1`; null when it is not.',
      nullable: true,
    }),
    encoding: t.expose('encoding', { type: EncodingEnum, description: 'How its bytes are written.' }),
    idHeader: t.exposeString('idHeader', {
      description: "The header that holds the event's id; null when none is signed.",
      nullable: true,
    }),
    timestampHeader: t.exposeString('timestampHeader', {
      description: 'The header that holds the unix time; null when it is in the list, or none is checked.',
      nullable: true,
    }),
    timestampParameter: t.exposeString('timestampParameter', {
      description: "The time's key where it is in the list, such as `t`; null when it is not.",
      nullable: true,
    }),
    toleranceMs: t.exposeInt('toleranceMs', { description: 'How far the time may be off, in ms.' }),
  }),
})

export const SignatureVerificationInput = builder.inputType('SignatureVerificationInput', {
  description: 'Verification by a signature of a form that no preset covers.',
  fields: (t) => ({
    secret: t.string({
      required: true,
      description: 'The secret as text, or the public key in hex, base64 or `whpk_…`.',
    }),
    algorithm: t.field({
      type: AlgorithmEnum,
      required: true,
      defaultValue: 'HMAC_SHA256',
      description: 'How the signature is made.',
    }),
    content: t.string({
      required: true,
      defaultValue: '{body}',
      description: 'What is signed: a template over `{id}`, `{timestamp}`, `{url}` and `{body}`.',
    }),
    header: t.string({ required: true, description: 'The header that holds it.' }),
    prefix: t.string({ description: 'What stands before it in the header, such as `sha256=`.' }),
    parameter: t.string({ description: 'Its key where the header is a list of `k=v`, such as `v1`.' }),
    encoding: t.field({
      type: EncodingEnum,
      required: true,
      defaultValue: 'HEX',
      description: 'How its bytes are written.',
    }),
    idHeader: t.string({ description: "The header that holds the event's id, if that is signed." }),
    timestampHeader: t.string({ description: 'The header that holds the unix time, if that is checked.' }),
    timestampParameter: t.string({ description: "The time's key where it is in the list, such as `t`." }),
    toleranceMs: t.int({
      required: true,
      defaultValue: 300_000,
      description: 'How far the time may be off; 1,000 to 3,600,000 ms.',
    }),
  }),
})
