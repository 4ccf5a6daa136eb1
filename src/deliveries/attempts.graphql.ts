import { builder } from '../graphql/builder.ts'
import { HttpRequest } from '../graphql/http-request.ts'
import { HttpResponse } from '../graphql/http-response.ts'
import type { AttemptFailure } from '../outbound/outbound.ts'
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

export const AttemptNode = builder.objectRef<Attempt>('Attempt').implement({
  description: 'One HTTP request of a delivery or a test, and what came of it.',
  fields: (t) => ({
    id: t.exposeID('id', { description: '`att_…`' }),
    number: t.exposeInt('number', { description: '1 for the first.' }),
    startedAt: t.expose('startedAt', { type: 'DateTime', description: 'When it began.' }),
    durationMs: t.exposeInt('durationMs', {
      description: 'From connecting to the last byte read, in ms; null when the process died under it.',
      nullable: true,
    }),
    request: t.field({
      type: HttpRequest,
      description:
        'What was sent, with secrets redacted. Only of `testEndpoint`: null for attempts of deliveries, of which it is not kept.',
      nullable: true,
      resolve: ({ request }) => request,
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
