import { EndpointNode } from '../endpoints/endpoints.graphql.ts'
import { builder } from '../graphql/builder.ts'
import { type Done, LimitReachedError, NotFoundError, outcomeType, resultOf } from '../graphql/user-errors.ts'
import { type Diagnosis, diagnoseEndpoint } from './diagnose-endpoint.ts'
import type { DiagnosisLevel, DiagnosisSubject, Finding } from './finding.ts'

const DiagnosisSubjectEnum = builder.enumType('DiagnosisSubject', {
  description: 'What is examined of an endpoint.',
  values: {
    URL: { value: 'url', description: 'Form, scheme and guard of the URL.' },
    DNS: { value: 'dns', description: 'Resolution of the name, and guard of its addresses.' },
    CONNECTION: { value: 'connection', description: 'Connection to the address.' },
    TLS: { value: 'tls', description: 'Certificate and protocol.' },
    CLOCK: { value: 'clock', description: "Its server's clock against ours, by the answer to a HEAD request." },
    FAILURES: { value: 'failures', description: 'Failures of the last 24 hours.' },
    LATENCY: { value: 'latency', description: 'Durations of the last 24 hours.' },
    BREAKER: { value: 'breaker', description: 'Breaker, throttle and status.' },
  } as const satisfies Record<Uppercase<DiagnosisSubject>, { value: DiagnosisSubject; description: string }>,
})

const DiagnosisLevelEnum = builder.enumType('DiagnosisLevel', {
  description: 'How serious a finding is.',
  values: {
    OK: { value: 'ok', description: 'Nothing to do.' },
    WARNING: { value: 'warning', description: 'Worth a look.' },
    PROBLEM: { value: 'problem', description: 'Keeps deliveries from succeeding.' },
    SKIPPED: {
      value: 'skipped',
      description: 'Not examined, because something before it failed, or its server does not tell.',
    },
  } as const satisfies Record<Uppercase<DiagnosisLevel>, { value: DiagnosisLevel; description: string }>,
})

const DiagnosisFinding = builder.objectRef<Finding>('DiagnosisFinding').implement({
  description: 'What was found on one subject.',
  fields: (t) => ({
    subject: t.expose('subject', { type: DiagnosisSubjectEnum, description: 'What was examined.' }),
    level: t.expose('level', { type: DiagnosisLevelEnum, description: 'How it is.' }),
    summary: t.exposeString('summary', { description: 'What was found, for people.' }),
    recommendation: t.exposeString('recommendation', {
      description: 'What to do; null when nothing.',
      nullable: true,
    }),
  }),
})

const EndpointDiagnosis = builder.objectRef<Done<Diagnosis>>('EndpointDiagnosis').implement({
  description: 'What an examination found. It takes 10 seconds at most and sends no event.',
  fields: (t) => ({
    endpoint: t.field({ type: EndpointNode, description: 'The endpoint.', resolve: ({ value }) => value.endpoint }),
    examinedAt: t.field({
      type: 'DateTime',
      description: 'When it was examined.',
      resolve: ({ value }) => value.examinedAt,
    }),
    findings: t.field({
      type: [DiagnosisFinding],
      description: 'One for each subject, in the order of examination; 8.',
      resolve: ({ value }) => [...value.findings],
    }),
  }),
})

const DiagnoseEndpointInput = builder.inputType('DiagnoseEndpointInput', {
  description: 'Names the endpoint to examine.',
  fields: (t) => ({ id: t.id({ required: true, description: 'The endpoint.' }) }),
})

const DiagnoseEndpointResult = builder.unionType('DiagnoseEndpointResult', {
  description:
    'Answer of `diagnoseEndpoint`. Tests and examinations of a project run 10 at a time: else LIMIT_REACHED.',
  types: [EndpointDiagnosis, NotFoundError, LimitReachedError],
  resolveType: outcomeType('EndpointDiagnosis'),
})

builder.mutationField('diagnoseEndpoint', (t) =>
  t.field({
    type: DiagnoseEndpointResult,
    description:
      'Examines an endpoint: name, connection, certificate, clock, recent failures. Connects to it, and asks its server for the time by a HEAD request without signature and credentials.',
    args: { input: t.arg({ type: DiagnoseEndpointInput, required: true, description: 'Which one.' }) },
    resolve: async (_root, { input }, { services, viewer }) =>
      resultOf(await diagnoseEndpoint(services, viewer, input), 'not-found', 'limit-reached'),
  }),
)
