import { sqlOfKysely } from '../db/sql.ts'
import { builder } from '../graphql/builder.ts'
import type { Context } from '../graphql/context.ts'
import { contextLoader } from '../graphql/context-loader.ts'
import { NotFoundError, outcomeType, resultOf } from '../graphql/user-errors.ts'
import type { Endpoint } from './endpoint.entity.ts'
import { EndpointPayload } from './endpoint-mutations.graphql.ts'
import { type BreakerState, type EndpointState, readStates, unknownState } from './endpoint-state.ts'
import { EndpointStatusEnum } from './endpoint-status.graphql.ts'
import { EndpointNode } from './endpoints.graphql.ts'
import { pauseEndpoint } from './pause-endpoint.ts'
import { resumeEndpoint } from './resume-endpoint.ts'

const breakerStates = {
  CLOSED: { value: 'closed', description: 'Attempts go through.' },
  OPEN: { value: 'open', description: 'Attempts wait.' },
  HALF_OPEN: { value: 'half-open', description: 'Single probes go through.' },
} as const satisfies Record<string, { value: BreakerState; description: string }>

const BreakerStateEnum = builder.enumType('BreakerState', {
  description: 'Whether attempts are held back so that a dead endpoint is not hammered.',
  values: breakerStates,
})

const EndpointHealth = builder.objectRef<EndpointState>('EndpointHealth').implement({
  description: 'How an endpoint has been doing.',
  fields: (t) => ({
    consecutiveFailureCount: t.exposeInt('consecutiveFailureCount', {
      description: 'Failed attempts since the last success.',
    }),
    failingSince: t.expose('failingSince', {
      type: 'DateTime',
      description: 'Since when every attempt has failed; null when the last one did not.',
      nullable: true,
    }),
    breaker: t.expose('breaker', { type: BreakerStateEnum, description: 'Whether attempts are held back.' }),
    nextProbeAt: t.expose('nextProbeAt', {
      type: 'DateTime',
      description: 'When the next probe is let through; null unless the breaker is open.',
      nullable: true,
    }),
    throttledUntil: t.expose('throttledUntil', {
      type: 'DateTime',
      description: 'Until when its own answers (429, 502, 503, 504) hold attempts back; null when they do not.',
      nullable: true,
    }),
  }),
})

// By the endpoint as it was read, not by its id: what a mutation gave is looked up after it.
const loadState = contextLoader<Endpoint, EndpointState>(async ({ services }, endpoints) => {
  const sql = sqlOfKysely(services.orm.em.fork().getKysely())
  const states = await readStates(
    sql,
    endpoints.map(({ id }) => id),
  )
  return new Map(endpoints.map((endpoint) => [endpoint, states.get(endpoint.id) ?? unknownState]))
})

const stateOf = async (context: Context, endpoint: Endpoint) => (await loadState(context, endpoint)) ?? unknownState

builder.objectFields(EndpointNode, (t) => ({
  status: t.field({
    type: EndpointStatusEnum,
    description: 'Whether deliveries are attempted.',
    resolve: async (endpoint, _args, context) => (await stateOf(context, endpoint)).status,
  }),
  disabledReason: t.string({
    description: 'Why it was disabled, for people; null unless it is.',
    nullable: true,
    resolve: async (endpoint, _args, context) => (await stateOf(context, endpoint)).disabledReason,
  }),
  health: t.field({
    type: EndpointHealth,
    description: 'How it has been doing.',
    resolve: (endpoint, _args, context) => stateOf(context, endpoint),
  }),
}))

const PauseEndpointInput = builder.inputType('PauseEndpointInput', {
  description: 'Names the endpoint to pause.',
  fields: (t) => ({
    id: t.id({ required: true, description: 'The endpoint; its deliveries are created and wait.' }),
  }),
})

const PauseEndpointResult = builder.unionType('PauseEndpointResult', {
  description: 'Answer of `pauseEndpoint`.',
  types: [EndpointPayload, NotFoundError],
  resolveType: outcomeType('EndpointPayload'),
})

builder.mutationField('pauseEndpoint', (t) =>
  t.field({
    type: PauseEndpointResult,
    description: "Lets an endpoint's deliveries wait. Pausing twice is no error; one that is disabled stays so.",
    args: { input: t.arg({ type: PauseEndpointInput, required: true, description: 'Which one.' }) },
    resolve: async (_root, { input }, { services, viewer }) =>
      resultOf(await pauseEndpoint(services, viewer, input), 'not-found'),
  }),
)

const ResumeEndpointInput = builder.inputType('ResumeEndpointInput', {
  description: 'Names the endpoint to resume.',
  fields: (t) => ({
    id: t.id({
      required: true,
      description: 'The endpoint; paused or disabled, it starts afresh with a closed breaker.',
    }),
  }),
})

const ResumeEndpointResult = builder.unionType('ResumeEndpointResult', {
  description: 'Answer of `resumeEndpoint`.',
  types: [EndpointPayload, NotFoundError],
  resolveType: outcomeType('EndpointPayload'),
})

builder.mutationField('resumeEndpoint', (t) =>
  t.field({
    type: ResumeEndpointResult,
    description: "Attempts an endpoint's deliveries again, also after it was disabled.",
    args: { input: t.arg({ type: ResumeEndpointInput, required: true, description: 'Which one.' }) },
    resolve: async (_root, { input }, { services, viewer }) =>
      resultOf(await resumeEndpoint(services, viewer, input), 'not-found'),
  }),
)
