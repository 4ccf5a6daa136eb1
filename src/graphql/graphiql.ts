import type { GraphiQLOptions } from 'graphql-yoga'
import { examples, exampleVariables } from './examples.ts'

const headers = JSON.stringify({ authorization: 'Bearer <key>' })

/** The page at `/graphql`. It loads for everybody; what it asks carries the key that is entered under Headers. */
export const graphiqlOptions: GraphiQLOptions = {
  title: 'Hookline',
  headers,
  defaultHeaders: headers,
  defaultTabs: [{ query: examples, variables: exampleVariables, headers }],
  defaultEditorToolsVisibility: 'headers',
  isHeadersEditorEnabled: true,
  shouldPersistHeaders: false,
}
