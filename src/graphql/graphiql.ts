import type { GraphiQLOptions } from 'graphql-yoga'

/** The page at `/graphql`. It loads for everybody; what it asks carries the key that is entered under Headers. */
export const graphiqlOptions: GraphiQLOptions = {
  title: 'Hookline',
  headers: JSON.stringify({ authorization: 'Bearer <key>' }),
  defaultEditorToolsVisibility: 'headers',
  isHeadersEditorEnabled: true,
  shouldPersistHeaders: false,
}
