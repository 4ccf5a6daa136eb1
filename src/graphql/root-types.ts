import { builder } from './builder.ts'

builder.queryType({
  description:
    'What can be read. Scope READ unless said otherwise. A single object that is unknown, or not in this project, is null.',
  authScopes: { scope: 'read' },
})

builder.mutationType({
  description: 'What can be changed. Scope MANAGE unless said otherwise.',
  authScopes: { scope: 'manage' },
})

builder.subscriptionType({
  description: `What is pushed, over WebSocket (\`graphql-transport-ws\`) and GraphQL over SSE alike. A stream ends when its key does (4403)
or the key loses a right to it; a reader that takes nothing for 30 s is closed and may come back with its cursors.`,
})
