import { builder } from '../graphql/builder.ts'
import type { Context } from '../graphql/context.ts'
import { Header, toHeaders } from '../graphql/header.ts'
import { textOf, textOfStart } from '../graphql/payload.ts'
import type { AttemptFailure, AttemptResponse } from '../outbound/outbound.ts'
import type { Attempt } from './delivery.ts'

const attemptFailures = {
  STATUS: { description: 'An answer other than 2xx.' },
  DNS: { description: 'The name does not resolve.' },
  ADDRESS_REFUSED: { description: 'The outbound guard does not connect to the address.' },
  CONNECTION_REFUSED: { description: 'Nobody listens at the address.' },
  CONNECTION_TIMEOUT: { description: 'No connection in time (5 s).' },
  CONNECTION_RESET: { description: 'The connection broke off.' },
  TLS_EXPIRED: { description: 'The certificate has expired or is not valid yet.' },
  TLS_UNTRUSTED: { description: 'The certificate is self-signed or of an unknown authority.' },
  TLS_WRONG_HOST: { description: 'The certificate is for another host.' },
  TLS: { description: 'Another failure of TLS.' },
  RESPONSE_TIMEOUT: { description: 'No complete answer in time.' },
  RESPONSE_INVALID: { description: 'The answer is not HTTP.' },
  WORKER_LOST: { description: 'Reserved for a process that died under its request; nothing records it yet.' },
} satisfies Record<AttemptFailure, { description: string }>

const AttemptFailureEnum = builder.enumType('AttemptFailure', {
  description: 'What went wrong with an attempt; stable names.',
  values: attemptFailures,
})

const HttpResponse = builder.objectRef<AttemptResponse>('HttpResponse').implement({
  description: 'An HTTP answer.',
  fields: (t) => ({
    status: t.exposeInt('status', { description: 'The status, 100 to 599.' }),
    headers: t.field({
      type: [Header],
      description: 'The header fields in the order received; at most 20 kB.',
      resolve: ({ headers }, _args, { budget }) => {
        budget.write(headers.reduce((bytes, [name, value]) => bytes + name.length + value.length, 0))
        return toHeaders(headers)
      },
    }),
    body: t.field({
      type: 'Bytes',
      description: 'The first 65,536 bytes of the body.',
      resolve: (response, _args, context) => writtenBody(response, context),
    }),
    text: t.string({
      description: 'The same as text; null when it is not UTF-8 (a character cut at the end is left out).',
      nullable: true,
      resolve: (response, _args, context) => {
        const body = writtenBody(response, context)
        return response.isTruncated ? textOfStart(body) : textOf(body)
      },
    }),
    isTruncated: t.exposeBoolean('isTruncated', { description: 'Whether more of the body was left unread.' }),
    announcedBytes: t.expose('announcedBytes', {
      type: 'SafeInt',
      description: 'The size that Content-Length announced, in bytes; null when none was.',
      nullable: true,
    }),
  }),
})

function writtenBody({ body }: AttemptResponse, { budget }: Context): Uint8Array {
  budget.write(body.length)
  return body
}

const AttemptNode = builder.objectRef<Attempt>('Attempt').implement({
  description: 'One HTTP request of a delivery, and what came of it.',
  fields: (t) => ({
    id: t.exposeID('id', { description: '`att_…`' }),
    number: t.exposeInt('number', { description: '1 for the first.' }),
    startedAt: t.expose('startedAt', { type: 'DateTime', description: 'When it began.' }),
    durationMs: t.exposeInt('durationMs', {
      description: 'From connecting to the last byte read, in ms; null when the process died under it.',
      nullable: true,
    }),
    response: t.field({
      type: HttpResponse,
      description: 'What came back; null when nothing did.',
      nullable: true,
      resolve: ({ response }) => response,
    }),
    failure: t.expose('failure', {
      type: AttemptFailureEnum,
      description: 'What went wrong; null when it was answered with 2xx.',
      nullable: true,
    }),
    failureDetail: t.exposeString('failureDetail', {
      description: 'What went wrong, for people; null when nothing did.',
      nullable: true,
    }),
  }),
})

export const AttemptConnection = builder.connectionObject({
  type: AttemptNode,
  name: 'AttemptConnection',
  description: 'A page of attempts, first to last.',
})
