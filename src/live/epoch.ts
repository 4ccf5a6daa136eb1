import type { Sql } from '../db/sql.ts'
import type { Logger } from '../kernel/log.ts'
import { type Bus, configurationChannel } from './bus.ts'

/*
 * Every write of configuration or keys increments one row, the configuration epoch, in its transaction. Processes learn of
 * it over the bus, or by polling that row, and drop what they had cached. So a change holds everywhere within a second.
 */

/** Watches the configuration epoch. */
export interface Epochs {
  /** The epoch last read; 0 before the first reading. To hear of changes use `onChange`. */
  current(): number
  /** Calls `listener` whenever configuration or keys may have changed. It must not throw. */
  onChange(listener: () => void): () => void
  /** To be called after the commit of a change: what this process had cached is dropped before this returns. */
  changed(): void
  close(): void
}

export interface EpochsOptions {
  readonly sql: Sql
  readonly bus: Bus
  readonly log: Logger
  /** How often the row is read whatever the bus says. Default 500. */
  readonly pollMs?: number
}

export function createEpochs(options: EpochsOptions): Epochs {
  return new EpochWatch(options)
}

class EpochWatch implements Epochs {
  readonly #options: EpochsOptions
  readonly #listeners = new Set<() => void>()
  readonly #poll: NodeJS.Timeout
  readonly #leaveBus: (() => void)[]
  #epoch = 0
  #isReading = false
  #mustReadAgain = false
  #mustPublish = false
  #isFailing = false
  #isClosed = false

  constructor(options: EpochsOptions) {
    this.#options = options
    this.#poll = setInterval(() => {
      if (!this.#isReading) void this.#read()
    }, options.pollMs ?? 500)
    this.#poll.unref()
    this.#leaveBus = [
      options.bus.subscribe(configurationChannel, (payload) => {
        if (payload !== String(this.#epoch)) void this.#read()
      }),
      options.bus.onRecovered(() => void this.#read()),
    ]
    void this.#read()
  }

  current(): number {
    return this.#epoch
  }

  onChange(listener: () => void): () => void {
    const own = (): void => listener()
    this.#listeners.add(own)
    return () => {
      this.#listeners.delete(own)
    }
  }

  changed(): void {
    this.#announce()
    this.#mustPublish = true
    void this.#read()
  }

  // A property, because it is handed on without its object.
  readonly close = (): void => {
    this.#isClosed = true
    clearInterval(this.#poll)
    for (const leave of this.#leaveBus) leave()
    this.#listeners.clear()
  }

  #announce(): void {
    for (const listener of this.#listeners) listener()
  }

  // One reading at a time. A reading that began before a commit may miss it, so then another one follows.
  async #read(): Promise<void> {
    if (this.#isReading) {
      this.#mustReadAgain = true
      return
    }
    this.#isReading = true
    do {
      this.#mustReadAgain = false
      await this.#readOnce()
    } while (this.#mustReadAgain && !this.#isClosed)
    this.#isReading = false
  }

  async #readOnce(): Promise<void> {
    const { sql, bus, log } = this.#options
    const publishes = this.#mustPublish
    this.#mustPublish = false
    try {
      const [row] = await sql.query<{ epoch: number }>(epochText, [], 'configuration-epoch')
      if (this.#isClosed) return
      const latest = row?.epoch ?? 0
      if (publishes) bus.publish(configurationChannel, String(latest))
      // Not 'greater than': a restored backup may set it back.
      if (latest !== this.#epoch) {
        this.#epoch = latest
        this.#announce()
      }
      if (this.#isFailing) log.info('the configuration epoch can be read again')
      this.#isFailing = false
    } catch (error) {
      if (publishes) bus.publish(configurationChannel)
      if (!this.#isFailing && !this.#isClosed) {
        log.warn({ err: error }, 'the configuration epoch cannot be read: changes of configuration and keys come late')
      }
      this.#isFailing = true
    }
  }
}

const epochText = `select e.epoch from configuration_epoch as e where e.id = 1`

/** Remembers what was loaded until configuration or keys change. */
export interface EpochCache<Key, Value> {
  /** @throws what `load` threw; that is not remembered. */
  get(key: Key): Promise<Value>
}

export interface EpochCacheOptions<Key, Value> {
  readonly epochs: Pick<Epochs, 'onChange'>
  /** Entries at most; the one used longest ago makes room. */
  readonly max: number
  /** Loads of one key at the same time are shared. */
  readonly load: (key: Key) => Promise<Value>
}

/**
 * A cache whose entries live until the next change. It holds promises, so that loads under way are shared; a change
 * begins an empty map, so that a load which began before it serves those who were waiting and nobody later.
 */
export function createEpochCache<Key, Value>(options: EpochCacheOptions<Key, Value>): EpochCache<Key, Value> {
  const { epochs, max, load } = options
  let entries = new Map<Key, Promise<Value>>()
  epochs.onChange(() => {
    entries = new Map()
  })

  function begin(key: Key): Promise<Value> {
    const own = entries
    const value = load(key)
    value.catch(() => {
      if (own.get(key) === value) own.delete(key)
    })
    return value
  }

  return {
    // Not an async function: whoever finds an entry gets its very promise.
    get(key) {
      const known = entries.get(key)
      const value = known ?? begin(key)
      if (known !== undefined) entries.delete(key)
      entries.set(key, value)
      if (entries.size > max) deleteOldest(entries)
      return value
    },
  }
}

// A map lists its keys in the order of insertion.
function deleteOldest<Key>(entries: Map<Key, unknown>): void {
  for (const key of entries.keys()) {
    entries.delete(key)
    return
  }
}
