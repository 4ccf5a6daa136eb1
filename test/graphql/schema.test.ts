import { readFile } from 'node:fs/promises'
import {
  buildSchema,
  type GraphQLNamedType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isIntrospectionType,
  isObjectType,
  isSpecifiedScalarType,
} from 'graphql'
import { expect, test } from 'vitest'
import { printSchemaText } from '../../src/graphql/print-schema.ts'

test('the schema is the one that is checked in', async () => {
  const checkedIn = await readFile(new URL('../../schema.graphql', import.meta.url), 'utf8')
  expect(printSchemaText(), 'run `npm run codegen`').toBe(checkedIn)
})

test('every type, field, argument and value is described', () => {
  const missing: string[] = []
  const note = (name: string, { description }: { description?: string | null | undefined }) => {
    if (!description) missing.push(name)
  }
  const schema = buildSchema(printSchemaText())
  note('schema', schema)
  for (const type of Object.values(schema.getTypeMap())) {
    if (isIntrospectionType(type) || isSpecifiedScalarType(type)) continue
    note(type.name, type)
    for (const part of partsOf(type)) note(`${type.name}.${part.name}`, part)
  }
  expect(missing).toEqual([])
})

interface Part {
  readonly name: string
  readonly description?: string | null | undefined
}

function partsOf(type: GraphQLNamedType): Part[] {
  if (isEnumType(type)) return [...type.getValues()]
  if (isInputObjectType(type)) return Object.values(type.getFields())
  if (!isObjectType(type) && !isInterfaceType(type)) return []
  return Object.values(type.getFields()).flatMap((field): Part[] => {
    const args = field.args.map(({ name, description }) => ({ name: `${field.name}(${name}:)`, description }))
    return [field, ...args]
  })
}
