/** What somebody has waiting. */
interface Owned {
  readonly owner: string
}

/**
 * A queue in which owners take turns: however much one of them has waiting, another's first item is next but for one of
 * each. The items of one owner keep their order.
 */
export class FairQueue<Item extends Owned> {
  /** Whose turn is next comes first; each has one item or more. */
  readonly #items = new Map<string, Item[]>()
  #size = 0

  get size(): number {
    return this.#size
  }

  /** How many owners have something waiting. */
  get owners(): number {
    return this.#items.size
  }

  sizeOf(owner: string): number {
    return this.#items.get(owner)?.length ?? 0
  }

  add(item: Item): void {
    const own = this.#items.get(item.owner)
    if (own === undefined) this.#items.set(item.owner, [item])
    else own.push(item)
    this.#size += 1
  }

  /** Puts items back in front of those of their owners, in the order given. */
  giveBack(items: readonly Item[]): void {
    for (const item of items.toReversed()) {
      this.#items.set(item.owner, [item, ...(this.#items.get(item.owner) ?? [])])
      this.#size += 1
    }
  }

  /** Takes what is next out; undefined when nothing waits. */
  take(): Item | undefined {
    const [next] = this.#items
    if (next === undefined) return undefined
    const [owner, own] = next
    const item = own.shift()
    this.#items.delete(owner)
    if (own.length > 0) this.#items.set(owner, own)
    this.#size -= 1
    return item
  }

  /** Takes out all that one owner has waiting. */
  takeAllOf(owner: string): Item[] {
    const own = this.#items.get(owner) ?? []
    this.#items.delete(owner)
    this.#size -= own.length
    return own
  }

  takeAll(): Item[] {
    const all = [...this.#items.values()].flat()
    this.#items.clear()
    this.#size = 0
    return all
  }
}
