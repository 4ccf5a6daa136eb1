import { builder } from '../graphql/builder.ts'
import { type Done, NotFoundError, outcomeType, resultOf, ValidationError } from '../graphql/user-errors.ts'
import { type CreatedTicket, createStreamTicket } from './create-stream-ticket.ts'

const CreateStreamTicketInput = builder.inputType('CreateStreamTicketInput', {
  description: 'Asks for a ticket for `GET /stream`, for readers that cannot send headers, such as EventSource.',
  fields: (t) => ({
    sourceIds: t.idList({ required: true, description: 'The sources that it opens; 1 to 100.' }),
  }),
})

const CreateStreamTicketPayload = builder.objectRef<Done<CreatedTicket>>('CreateStreamTicketPayload').implement({
  description: 'A ticket that opens one stream.',
  fields: (t) => ({
    url: t.field({
      type: 'URL',
      description: 'The address with the ticket in it; `after`, `since` and `filter` can be added.',
      resolve: ({ value }) => value.url,
    }),
    expiresAt: t.field({
      type: 'DateTime',
      description: 'When it ends unless used: after 60 seconds.',
      resolve: ({ value }) => value.expiresAt,
    }),
  }),
})

const CreateStreamTicketResult = builder.unionType('CreateStreamTicketResult', {
  description: 'Answer of `createStreamTicket`.',
  types: [CreateStreamTicketPayload, NotFoundError, ValidationError],
  resolveType: outcomeType('CreateStreamTicketPayload'),
})

builder.mutationField('createStreamTicket', (t) =>
  t.field({
    type: CreateStreamTicketResult,
    description: 'Gives a ticket for `GET /stream`. Scope: LISTEN.',
    skipTypeScopes: true,
    authScopes: { scope: 'listen' },
    args: { input: t.arg({ type: CreateStreamTicketInput, required: true, description: 'For what.' }) },
    resolve: async (_root, { input }, { services, viewer }) =>
      resultOf(await createStreamTicket(services, viewer, input), 'invalid', 'not-found'),
  }),
)
