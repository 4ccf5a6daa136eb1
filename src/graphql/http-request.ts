import { builder } from './builder.ts'
import { Header, toHeaders } from './header.ts'
import { HttpMethod } from './http-method.ts'

interface HttpQuestion {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly url: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer | null
}

export const HttpRequest = builder.objectRef<HttpQuestion>('HttpRequest').implement({
  description: 'An HTTP request.',
  fields: (t) => ({
    method: t.expose('method', { type: HttpMethod, description: 'The method.' }),
    url: t.expose('url', { type: 'URL', description: 'The address.' }),
    headers: t.field({
      type: [Header],
      description:
        'The header fields, but for those that only the connection needs, such as `host`; secret values are redacted.',
      resolve: ({ headers }) => toHeaders(headers),
    }),
    body: t.field({
      type: 'Bytes',
      nullable: true,
      description: 'The body, byte for byte; null when there is none.',
      resolve: ({ body }, _args, { budget }) => {
        budget.write(body?.length ?? 0)
        return body
      },
    }),
  }),
})
