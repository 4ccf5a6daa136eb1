import { type DocumentNode, GraphQLError, type GraphQLSchema, parse, specifiedRules, validate } from 'graphql'
import { documentProblem, maxTokens, tooLarge } from './limits.ts'

const maxCachedDocuments = 500
const maxCachedCharacters = 10_000

/** Parses and validates; remembers the documents that clients repeat. */
export function documentCache(schema: GraphQLSchema): (query: string) => DocumentNode | GraphQLError[] {
  const known = new Map<string, DocumentNode | GraphQLError[]>()
  return (query) => {
    const document = known.get(query) ?? documentOf(schema, query)
    if (query.length <= maxCachedCharacters) {
      // What was used last is moved to the end, so that the first is the one to forget.
      known.delete(query)
      known.set(query, document)
      const [oldest] = known.keys()
      if (known.size > maxCachedDocuments && oldest !== undefined) known.delete(oldest)
    }
    return document
  }
}

function documentOf(schema: GraphQLSchema, query: string): DocumentNode | GraphQLError[] {
  try {
    const document = parse(query, { maxTokens })
    const problem = documentProblem(document)
    if (problem !== null) return [problem]
    const errors = validate(schema, document, specifiedRules, { maxErrors: 20, hideSuggestions: true })
    // What graphql-js gives up on: it bounds how often fields are compared with each other.
    if (errors.some(({ message }) => message === 'Validation aborted.'))
      return [tooLarge('its fields are compared with each other too often')]
    return errors.length > 0 ? [...errors] : document
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error
    return [/more than \d+ tokens/.test(error.message) ? tooLarge(`it has over ${maxTokens} tokens`) : error]
  }
}
