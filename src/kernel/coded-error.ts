/**
 * An error that may reach an edge (an HTTP answer, a GraphQL error, the terminal).
 * Edges print `code` and `publicMessage` only; `message` and `cause` go to the log.
 */
export class CodedError extends Error {
  readonly code: string
  readonly publicMessage: string

  constructor(code: string, publicMessage: string, options: { message?: string; cause?: unknown } = {}) {
    super(options.message ?? publicMessage, { cause: options.cause })
    this.name = 'CodedError'
    this.code = code
    this.publicMessage = publicMessage
  }
}
