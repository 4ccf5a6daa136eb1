import { readFile } from 'node:fs/promises'
import {
  buildSchema,
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
    if (isEnumType(type)) for (const value of type.getValues()) note(`${type.name}.${value.name}`, value)
    if (!isObjectType(type) && !isInterfaceType(type) && !isInputObjectType(type)) continue
    for (const field of Object.values(type.getFields())) {
      note(`${type.name}.${field.name}`, field)
      for (const arg of 'args' in field ? field.args : []) note(`${type.name}.${field.name}(${arg.name}:)`, arg)
    }
  }
  expect(missing).toEqual([])
})
