import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'

/** One frame of RFC 6455, good or bad. */
export interface RawFrame {
  readonly payload?: string | Buffer
  /** Text unless given. */
  readonly opcode?: number
  readonly isFinal?: boolean
  readonly isMasked?: boolean
  /** The three bits that stand for extensions, as a number from 0 to 7. */
  readonly reserved?: number
  /** What the frame says of its length instead of the truth. */
  readonly claimedBytes?: number
}

export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

/** A connection on which every byte is ours. */
export interface RawSocket {
  /** The status of the answer to the upgrade. */
  readonly status: number
  /** What came, but for a close frame. */
  readonly received: { readonly opcode: number; readonly payload: Buffer }[]
  send(...frames: RawFrame[]): void
  /** Ends our direction without a close frame. */
  halfClose(): void
  destroy(): void
  /** Resolves when the server has ended the connection: with the code of its close frame, null when it sent none. */
  readonly closed: Promise<number | null>
}

const mask = Buffer.from([1, 2, 3, 4])

export interface UpgradeOptions {
  readonly path?: string
  /** Replace those of a good upgrade; null leaves one out. */
  readonly headers?: Readonly<Record<string, string | null>>
  /** Whether the server's close frame is answered with another, as it should be. */
  readonly answersClose?: boolean
}

export async function openRawSocket(
  baseUrl: string,
  { path = '/graphql', headers = {}, answersClose = true }: UpgradeOptions = {},
): Promise<RawSocket> {
  const { hostname, port, host } = new URL(baseUrl)
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
  socket.on('error', () => undefined)
  const all: Record<string, string | null> = {
    host,
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': randomBytes(16).toString('base64'),
    'sec-websocket-protocol': 'graphql-transport-ws',
    ...headers,
  }
  const lines = Object.entries(all).flatMap(([name, value]) => (value === null ? [] : [`${name}: ${value}\r\n`]))
  socket.write(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`)

  let bytes = Buffer.alloc(0)
  let code: number | null = null
  const received: RawSocket['received'] = []
  const closed = new Promise<number | null>((resolve) => {
    socket.once('end', () => {
      socket.end()
      resolve(code)
    })
    socket.once('close', () => resolve(code))
  })
  const status = await new Promise<number>((resolve, reject) => {
    let isUpgraded = false
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk])
      const endOfHead = bytes.indexOf('\r\n\r\n')
      if (!isUpgraded && endOfHead === -1) return
      if (!isUpgraded) {
        isUpgraded = true
        resolve(Number(bytes.toString('latin1', 9, 12)))
        bytes = bytes.subarray(endOfHead + 4)
      }
      for (let frame = takeFrame(); frame !== null; frame = takeFrame()) {
        if (frame.opcode !== opcodes.close) received.push(frame)
        else end(frame.payload)
      }
    })
    void closed.then(() => reject(new Error('closed before an answer')))
  })

  function end(payload: Buffer): void {
    code = payload.length < 2 ? 1005 : payload.readUInt16BE(0)
    if (answersClose) socket.write(bytesOf({ opcode: opcodes.close, payload }))
  }

  /** Servers send short or medium frames here, never masked. */
  function takeFrame(): RawSocket['received'][number] | null {
    const [first = 0, short = 0] = bytes
    const start = short === 126 ? 4 : 2
    if (bytes.length < start) return null
    const end = start + (short === 126 ? bytes.readUInt16BE(2) : short)
    if (bytes.length < end) return null
    const frame = { opcode: first & 15, payload: bytes.subarray(start, end) }
    bytes = bytes.subarray(end)
    return frame
  }

  return {
    status,
    received,
    send: (...frames) => void socket.write(Buffer.concat(frames.map(bytesOf))),
    halfClose: () => void socket.end(),
    destroy: () => void socket.destroy(),
    closed,
  }
}

function bytesOf(frame: RawFrame): Buffer {
  const { payload = '', opcode = opcodes.text, isFinal = true, isMasked = true, reserved = 0 } = frame
  const content = Buffer.from(payload)
  const first = (isFinal ? 0x80 : 0) | (reserved << 4) | opcode
  const length = lengthOf(frame.claimedBytes ?? content.length)
  length[0] = (length[0] ?? 0) | (isMasked ? 0x80 : 0)
  if (!isMasked) return Buffer.concat([Buffer.from([first]), length, content])
  const masked = content.map((byte, place) => byte ^ (mask[place % 4] ?? 0))
  return Buffer.concat([Buffer.from([first]), length, mask, masked])
}

function lengthOf(bytes: number): Buffer {
  if (bytes < 126) return Buffer.from([bytes])
  const length = Buffer.alloc(bytes < 65_536 ? 3 : 9)
  length[0] = bytes < 65_536 ? 126 : 127
  if (bytes < 65_536) length.writeUInt16BE(bytes, 1)
  else length.writeBigUInt64BE(BigInt(bytes), 1)
  return length
}
