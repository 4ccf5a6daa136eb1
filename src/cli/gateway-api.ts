import { Failure } from './command.ts'
import type { Login } from './login-credentials.ts'

const answerTimeoutMs = 10_000

interface GraphqlError {
  readonly message: string
  readonly extensions?: { readonly code?: unknown }
}

/** The gateway refused an operation. */
export class RefusedOperation extends Failure {
  /** As in docs/errors.md; empty when it gave none. */
  readonly code: string

  constructor({ message, extensions }: GraphqlError) {
    super(message)
    this.name = 'RefusedOperation'
    this.code = typeof extensions?.code === 'string' ? extensions.code : ''
  }
}

/** There was no answer. */
export class UnreachableGateway extends Failure {
  readonly reason: string

  constructor(url: string, reason: string) {
    super(`${url} cannot be reached: ${reason}. Start the gateway, or name it with --url or HOOKLINE_URL.`)
    this.name = 'UnreachableGateway'
    this.reason = reason
  }
}

/** Refusals that come again however often one asks. */
const finalCodes = [
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'NOT_FOUND',
  'BAD_USER_INPUT',
  'CURSOR_EXPIRED',
  'QUERY_TOO_LARGE',
  'LISTENER_TAKEN',
]

export function isFinalCode(code: string): boolean {
  return finalCodes.includes(code)
}

/** Whether asking again in a while may help. */
export function isPassing(error: unknown): boolean {
  return error instanceof UnreachableGateway || (error instanceof RefusedOperation && !isFinalCode(error.code))
}

/**
 * Runs a query at a gateway, over HTTP.
 *
 * @throws RefusedOperation with the gateway's own words; UnreachableGateway; Failure that says what is wrong with the address or the key.
 */
export async function askGateway<Data>(
  login: Login,
  query: string,
  variables: Readonly<Record<string, unknown>> = {},
): Promise<Data> {
  const { status, text } = await post(login, JSON.stringify({ query, variables }))
  if (status === 401) throw new Failure(refusedKey(login.url))
  const answer = parseAnswer<Data>(text)
  if (answer?.errors?.[0] !== undefined) throw new RefusedOperation(answer.errors[0])
  if (answer?.data == null) {
    throw new Failure(`${login.url} does not answer like a Hookline gateway (HTTP ${status}). Check --url.`)
  }
  return answer.data
}

export function refusedKey(url: string): string {
  return `${url} does not take this API key: it is unknown, expired or revoked. Create one with "hookline keys create".`
}

async function post({ url, key }: Login, body: string): Promise<{ status: number; text: string }> {
  try {
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json', authorization: `Bearer ${key}` },
      body,
      signal: AbortSignal.timeout(answerTimeoutMs),
    })
    return { status: response.status, text: await response.text() }
  } catch (error) {
    throw new UnreachableGateway(url, reasonOf(error))
  }
}

/** Says in a few words why a connection failed. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'TimeoutError') return 'no answer in time'
  // `fetch` wraps what happened; a host with two addresses fails with one error for each.
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0])
  if (error.cause instanceof Error) return reasonOf(error.cause)
  return error.message || ('code' in error ? String(error.code) : error.name)
}

function parseAnswer<Data>(text: string): { data?: Data | null; errors?: readonly GraphqlError[] } | null {
  try {
    const answer: unknown = JSON.parse(text)
    return typeof answer === 'object' ? answer : null
  } catch {
    return null
  }
}
