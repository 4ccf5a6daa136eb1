import type { GraphiQLOptions } from 'graphql-yoga'
import { examples } from './examples.ts'

const headers = JSON.stringify({ authorization: 'Bearer <key>' })

/** The page at `/graphql`. It loads for everybody; what it asks carries the key that is entered under Headers. */
export const graphiqlOptions: GraphiQLOptions = {
  title: 'Hookline',
  headers,
  defaultHeaders: headers,
  defaultTabs: examples.map((example) => ({ ...example, headers })),
  defaultEditorToolsVisibility: 'headers',
  isHeadersEditorEnabled: true,
  shouldPersistHeaders: false,
}
