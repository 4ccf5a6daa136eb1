import { builder } from './builder.ts'

interface HeaderField {
  readonly name: string
  readonly value: string
}

export const Header = builder.objectRef<HeaderField>('Header').implement({
  description: 'One header field.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'The name as it was sent or given.' }),
    value: t.exposeString('value', { description: 'The value.' }),
  }),
})

export function toHeaders(fields: readonly (readonly [name: string, value: string])[]): HeaderField[] {
  return fields.map(([name, value]) => ({ name, value }))
}
