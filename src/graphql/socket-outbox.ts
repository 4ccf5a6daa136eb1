import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'

/** Larger frames go in fragments, so that a slow client is seen to take them bit by bit. */
const largeBytes = 256 * 1024
const fragmentBytes = 64 * 1024

const wholeFrame = { binary: false, fin: true }
const fragment = { binary: false, fin: false }

/** What a socket has to send. Its frames go out in order. */
export interface Outbox {
  /** Null when it goes out at once; else resolves when the client has taken it, or the socket is closed. */
  sendText(text: string): Promise<void> | null
  /**
   * @param sender is asked for more when the client has taken what waits, where it is to wait.
   * @returns false when the sender is to wait.
   */
  sendResult(result: FrameParts, sender: Sender): boolean
  /** What the client has not taken. */
  waitingBytes(): number
  /** What it has taken so far. */
  takenBytes(): number
}

/** A frame: `start`, then the JSON, then `}`. */
interface FrameParts {
  readonly start: string
  readonly json: Buffer
  /** Whether it comes right after another one. Such frames go out together, at the end of this turn of the event loop. */
  readonly isFollowing: boolean
}

export interface Sender {
  resume(): void
}

/** @param transport what the socket's frames are written to. */
export function openOutbox(socket: WebSocket, transport: Socket): Outbox {
  /** Set while a large frame is under way; fragments of different frames must not mix. */
  let underWay: Promise<void> | null = null
  /** Of large frames, what the transport was not given yet. */
  let queuedBytes = 0
  let waiting: Sender[] = []

  function isOpen(): boolean {
    return socket.readyState === socket.OPEN
  }

  function resumeAll(): void {
    const senders = waiting
    waiting = []
    for (const sender of senders) sender.resume()
  }

  function sendLarge(bytes: Buffer): Promise<void> {
    queuedBytes += bytes.length
    const turn = (underWay ?? Promise.resolve()).then(() => sendInFragments(bytes))
    underWay = turn
    void turn.then(() => {
      if (underWay === turn) underWay = null
    })
    return turn
  }

  async function sendInFragments(bytes: Buffer): Promise<void> {
    for (let start = 0; start < bytes.length && isOpen(); start += fragmentBytes) {
      const end = start + fragmentBytes
      queuedBytes -= Math.min(fragmentBytes, bytes.length - start)
      const options = end >= bytes.length ? wholeFrame : fragment
      // One that fails fails with its socket, whose close is heard.
      await new Promise<void>((resolve) => socket.send(bytes.subarray(start, end), options, () => resolve()))
    }
  }

  return {
    sendText(text) {
      if (underWay !== null || text.length > largeBytes) return sendLarge(Buffer.from(text))
      if (isOpen()) socket.send(text, wholeFrame)
      return null
    },
    sendResult({ start, json, isFollowing }, sender) {
      // The socket's end is about to be heard; nothing more is executed for it.
      if (!isOpen()) return false
      if (underWay !== null || json.length > largeBytes) {
        void sendLarge(Buffer.concat([Buffer.from(start), json, Buffer.from('}')])).then(() => sender.resume())
        return false
      }
      if (isFollowing && transport.writableCorked === 0) {
        transport.cork()
        setImmediate(() => transport.uncork())
      }
      if (frames.write(transport, start, json)) return true
      if (waiting.push(sender) === 1) transport.once('drain', resumeAll)
      return false
    },
    waitingBytes: () => transport.writableLength + queuedBytes,
    takenBytes: () => transport.bytesWritten - transport.writableLength,
  }
}

const textFrame = 0x81
const closingBrace = 0x7d

/**
 * Writes whole frames in one piece (RFC 6455, section 5.2). `ws` writes header and payload one after the other and keeps
 * a record of each, which costs more than copying a message of usual size. It never has a frame of its own half written:
 * it compresses nothing, so that it passes all that it is given on at once.
 *
 * Many subscribers get the same result one after the other, and nothing but their ids, of one length, is different. So the
 * frame that was written last is used again where the system took all of it at once, as it nearly always does.
 */
const frames = {
  /** Of which result the frame is; null when it is not to be used again. */
  json: null as Buffer | null,
  startBytes: 0,
  headerBytes: 0,
  frame: Buffer.alloc(0),

  /** @returns false when the transport wants no more for now. */
  write(transport: Socket, start: string, json: Buffer): boolean {
    const startBytes = Buffer.byteLength(start)
    if (json !== this.json || startBytes !== this.startBytes) this.make(startBytes, json)
    this.frame.write(start, this.headerBytes)
    const wantsMore = transport.write(this.frame)
    if (transport.writableLength > 0) this.json = null
    return wantsMore
  },

  make(startBytes: number, json: Buffer): void {
    const bytes = startBytes + json.length + 1
    const header = headerOf(bytes)
    this.json = json
    this.startBytes = startBytes
    this.headerBytes = header.length
    this.frame = Buffer.allocUnsafe(header.length + bytes)
    this.frame.set(header)
    this.frame.set(json, header.length + startBytes)
    this.frame[this.frame.length - 1] = closingBrace
  },
}

function headerOf(bytes: number): number[] {
  if (bytes < 126) return [textFrame, bytes]
  if (bytes < 65_536) return [textFrame, 126, bytes >> 8, bytes & 255]
  return [textFrame, 127, 0, 0, 0, 0, bytes >>> 24, (bytes >> 16) & 255, (bytes >> 8) & 255, bytes & 255]
}
