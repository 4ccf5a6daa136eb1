/** What is wrong with a payload, or with how the receiver was put into a server. */
export class ReceiverError extends Error {
  readonly code: 'PAYLOAD_MALFORMED' | 'BODY_ALREADY_READ'

  constructor(code: ReceiverError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ReceiverError'
    this.code = code
  }
}
