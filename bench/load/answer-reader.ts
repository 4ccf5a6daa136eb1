const headEnd = Buffer.from('\r\n\r\n')

/**
 * Finds the end of each HTTP/1.1 answer on a keep-alive connection. Reads the status and Content-Length, nothing else.
 *
 * @throws Error for an answer with a body but without Content-Length: the servers under load send none such.
 */
export class AnswerReader {
  readonly #onAnswer: (status: number) => void
  #pending: Buffer | null = null

  constructor(onAnswer: (status: number) => void) {
    this.#onAnswer = onAnswer
  }

  push(chunk: Buffer): void {
    const bytes = this.#pending === null ? chunk : Buffer.concat([this.#pending, chunk])
    const headBytes = bytes.indexOf(headEnd)
    const totalBytes =
      headBytes === -1 ? Number.POSITIVE_INFINITY : headBytes + headEnd.length + bodyBytes(bytes, headBytes)
    if (bytes.length < totalBytes) {
      this.#pending = bytes
      return
    }
    this.#pending = bytes.length === totalBytes ? null : bytes.subarray(totalBytes)
    this.#onAnswer(Number(bytes.toString('latin1', 9, 12)))
  }
}

function bodyBytes(bytes: Buffer, headBytes: number): number {
  const head = bytes.toString('latin1', 0, headBytes)
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
  if (length !== undefined) {
    return Number(length)
  }
  if (head.startsWith('204', 9)) {
    return 0
  }
  throw new Error(`an answer without Content-Length:\n${head}`)
}
