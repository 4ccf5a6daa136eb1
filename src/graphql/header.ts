import { builder } from './builder.ts'

interface HeaderField {
  readonly name: string
  readonly value: string
}

const description = 'One header field.'

export const Header = builder.objectRef<HeaderField>('Header').implement({
  description,
  fields: (t) => ({
    name: t.exposeString('name', { description: 'The name as it was sent or given.' }),
    value: t.exposeString('value', { description: 'The value; `[redacted]` for a field that was given as secret.' }),
  }),
})

export const HeaderInput = builder.inputType('HeaderInput', {
  description,
  fields: (t) => ({
    name: t.string({
      required: true,
      description: 'A field name; those that belong to HTTP itself, and `webhook-*`, are refused.',
    }),
    value: t.string({ required: true, description: 'Without line breaks; at most 8,192 characters.' }),
    isSecret: t.boolean({
      required: true,
      defaultValue: false,
      description: 'Whether to store the value encrypted and never show it again.',
    }),
  }),
})

export function toHeaders(fields: readonly (readonly [name: string, value: string])[]): HeaderField[] {
  return fields.map(([name, value]) => ({ name, value }))
}
