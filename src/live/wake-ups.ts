import type { Logger } from '../kernel/log.ts'

type Send = (channel: string, payload: string) => void

/** Merges the wake-ups of one tick. A burst of commits then costs one message per channel. */
export class Outbox {
  readonly #send: Send
  #waiting = new Map<string, Set<string>>()

  constructor(send: Send) {
    this.#send = send
  }

  add(channel: string, payload: string): void {
    if (this.#waiting.size === 0) setImmediate(() => this.flush())
    const payloads = this.#waiting.get(channel)
    if (payloads === undefined) this.#waiting.set(channel, new Set([payload]))
    else merge(payloads, payload)
  }

  flush(): void {
    const waiting = this.#waiting
    this.#waiting = new Map()
    for (const [channel, payloads] of waiting) {
      for (const payload of payloads) this.#send(channel, payload)
    }
  }
}

// A number says how far something reaches, so that a channel has one of them at most.
function merge(payloads: Set<string>, payload: string): void {
  if (isNumber(payload)) {
    for (const other of payloads) {
      if (!isNumber(other)) continue
      if (Number(other) >= Number(payload)) return
      payloads.delete(other)
    }
  }
  payloads.add(payload)
}

function isNumber(payload: string): boolean {
  return /^\d{1,16}$/.test(payload)
}

/** Who listens on which channel. */
export class ChannelListeners {
  readonly #log: Logger | undefined
  readonly #channels = new Map<string, Set<(payload: string) => void>>()

  constructor(log?: Logger) {
    this.#log = log
  }

  /** @returns whether it is the channel's first listener. */
  add(channel: string, listener: (payload: string) => void): boolean {
    const listeners = this.#channels.get(channel)
    listeners?.add(listener)
    if (listeners === undefined) this.#channels.set(channel, new Set([listener]))
    return listeners === undefined
  }

  /** @returns whether the channel has no listener any more. */
  remove(channel: string, listener: (payload: string) => void): boolean {
    const listeners = this.#channels.get(channel)
    if (listeners === undefined || !listeners.delete(listener) || listeners.size > 0) return false
    this.#channels.delete(channel)
    return true
  }

  clear(): void {
    this.#channels.clear()
  }

  /** One who throws must not keep the others from hearing. */
  call(channel: string, payload: string): void {
    for (const listener of this.#channels.get(channel) ?? []) {
      try {
        listener(payload)
      } catch (error) {
        this.#log?.error({ err: error, channel }, 'a listener of the live bus failed')
      }
    }
  }
}
