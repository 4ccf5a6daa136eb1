import { connect } from 'node:net'

/** One request as bytes, and what came back for it. */
export interface RawAnswer {
  /** Null when the connection was closed without an answer. */
  readonly status: number | null
  readonly body: string
}

const withinMs = 20_000

/**
 * Writes the bytes to a connection of their own and reads one answer.
 *
 * @param closesWhenSent ends our side afterwards: for requests that announce more than they send.
 * @throws Error when there is neither an answer nor an end within 20 s.
 */
export function exchange(
  port: number,
  bytes: Buffer,
  { closesWhenSent }: { closesWhenSent: boolean },
): Promise<RawAnswer> {
  const isHead = bytes.subarray(0, 5).toString() === 'HEAD '
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port })
    const chunks: Buffer[] = []
    const overdue = setTimeout(() => {
      reject(new Error(`no answer within ${withinMs} ms to ${JSON.stringify(bytes.toString('latin1').slice(0, 500))}`))
      socket.destroy()
    }, withinMs)
    const finish = () => {
      clearTimeout(overdue)
      resolve(answerOf(Buffer.concat(chunks)))
      socket.destroy()
    }
    socket.on('data', (chunk) => {
      chunks.push(chunk)
      if (isWhole(Buffer.concat(chunks), isHead)) finish()
    })
    socket.on('end', finish)
    // A reset is an end like any other: what matters is what was answered before.
    socket.on('error', finish)
    socket.write(bytes)
    if (closesWhenSent) socket.end()
  })
}

function isWhole(bytes: Buffer, isHead: boolean): boolean {
  const headEnd = bytes.indexOf('\r\n\r\n')
  if (headEnd === -1) return false
  const head = bytes.subarray(0, headEnd).toString('latin1')
  if (/^HTTP\/1\.1 1\d\d /.test(head)) return isWhole(bytes.subarray(headEnd + 4), isHead)
  if (isHead) return true
  const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? Number.NaN)
  return bytes.length >= headEnd + 4 + length
}

function answerOf(bytes: Buffer): RawAnswer {
  const text = bytes.toString('utf8').replace(/^(HTTP\/1\.1 1\d\d .*?\r\n\r\n)+/s, '')
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1]
  return { status: status === undefined ? null : Number(status), body: text.slice(text.indexOf('\r\n\r\n') + 4) }
}
