/**
 * What a bench has started, to be stopped in reverse order when it ends, fails or is interrupted.
 *
 * The first stop wins: an interrupt in the middle of a measurement stops everything at once, and the measurement's own
 * failure that follows from that is nobody's news.
 */
export class Resources {
  readonly #stops: (() => Promise<void> | void)[] = []
  #stopping: Promise<void> | undefined

  /** @throws Error when the bench is being stopped already; what was to be added is stopped first. */
  async add(stop: () => Promise<void> | void): Promise<void> {
    if (this.#stopping !== undefined) {
      await stop()
      throw new Error('the bench is being stopped')
    }
    this.#stops.push(stop)
  }

  stopAll(): Promise<void> {
    this.#stopping ??= this.#stopInReverse()
    return this.#stopping
  }

  async #stopInReverse(): Promise<void> {
    for (const stop of this.#stops.toReversed()) {
      try {
        await stop()
      } catch (error) {
        console.error('could not stop a part of the bench:', error)
      }
    }
  }
}
