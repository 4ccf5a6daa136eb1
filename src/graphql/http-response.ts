import { textOf } from '../kernel/json.ts'
import { builder } from './builder.ts'
import type { Context } from './context.ts'
import { Header, HeaderInput, toHeaders } from './header.ts'
import { textOfStart } from './payload.ts'

interface HttpAnswer {
  readonly status: number
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Uint8Array
  readonly isTruncated: boolean
  readonly announcedBytes: number | null
}

export const HttpResponse = builder.objectRef<HttpAnswer>('HttpResponse').implement({
  description: 'An HTTP answer.',
  fields: (t) => ({
    status: t.exposeInt('status', { description: 'The status, 100 to 599.' }),
    headers: t.field({
      type: [Header],
      description: 'The header fields in the order received or given; of a received answer at most 20 kB.',
      resolve: ({ headers }, _args, { budget }) => {
        budget.write(headers.reduce((bytes, [name, value]) => bytes + name.length + value.length, 0))
        return toHeaders(headers)
      },
    }),
    body: t.field({
      type: 'Bytes',
      description: 'The first 65,536 bytes of the body.',
      resolve: (response, _args, context) => writtenBody(response, context),
    }),
    text: t.string({
      description: 'The same as text; null when it is not UTF-8 (a character cut at the end is left out).',
      nullable: true,
      resolve: (response, _args, context) => {
        const body = writtenBody(response, context)
        return response.isTruncated ? textOfStart(body) : textOf(body)
      },
    }),
    isTruncated: t.exposeBoolean('isTruncated', { description: 'Whether more of the body was left unread.' }),
    announcedBytes: t.expose('announcedBytes', {
      type: 'SafeInt',
      description: 'The size that Content-Length announced, in bytes; null when none was.',
      nullable: true,
    }),
  }),
})

function writtenBody({ body }: HttpAnswer, { budget }: Context): Uint8Array {
  budget.write(body.length)
  return body
}

export const HttpResponseInput = builder.inputType('HttpResponseInput', {
  description: 'An HTTP answer to give.',
  fields: (t) => ({
    status: t.int({ required: true, defaultValue: 200, description: 'The status, 200 to 299.' }),
    headers: t.field({
      type: [HeaderInput],
      required: true,
      defaultValue: [],
      description: 'Header fields, at most 20.',
    }),
    body: t.string({
      required: true,
      defaultValue: '',
      description: 'The body as text; at most 8,192 characters, and none with the statuses 204 and 205.',
    }),
  }),
})
