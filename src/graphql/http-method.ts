import { builder } from './builder.ts'

export const HttpMethod = builder.enumType('HttpMethod', {
  description: 'A request method.',
  values: {
    GET: { description: 'Asks; the query parameters are the payload.' },
    HEAD: { description: 'Asks for the head alone.' },
    POST: { description: 'Hands over a body.' },
    PUT: { description: 'Sets.' },
    PATCH: { description: 'Changes.' },
    DELETE: { description: 'Removes.' },
  } as const,
})
