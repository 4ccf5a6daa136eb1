import { printSchema } from 'graphql'
import { schema } from './schema.ts'

/** The text of `schema.graphql`: the contract that is checked in, sorted by name. */
export function printSchemaText(): string {
  return `${printSchema(schema)}\n`
}
