import type { Context } from './context.ts'

/** Loads one value, null when there is none. What an execution asks for in the same turn is loaded together, each key once. */
export type ContextLoader<Key, Value> = (context: Context, key: Key) => Promise<Value | null>

interface Batch<Key, Value> {
  readonly keys: Key[]
  readonly values: Promise<ReadonlyMap<Key, Value>>
}

/**
 * A loader whose memory lives as long as the execution's context.
 *
 * @param loadMany loads many at once; it leaves out of the map what does not exist.
 */
export function contextLoader<Key, Value>(
  loadMany: (context: Context, keys: readonly Key[]) => Promise<ReadonlyMap<Key, Value>>,
): ContextLoader<Key, Value> {
  const states = new WeakMap<Context, LoaderState<Key, Value>>()
  return (context, key) => {
    const state = states.get(context) ?? { known: new Map(), open: null }
    states.set(context, state)
    const known = state.known.get(key)
    if (known !== undefined) return known
    const value = enqueue(state, key, (keys) => loadMany(context, keys))
    state.known.set(key, value)
    return value
  }
}

interface LoaderState<Key, Value> {
  readonly known: Map<Key, Promise<Value | null>>
  /** The batch that still takes keys. */
  open: Batch<Key, Value> | null
}

async function enqueue<Key, Value>(
  state: LoaderState<Key, Value>,
  key: Key,
  loadMany: (keys: readonly Key[]) => Promise<ReadonlyMap<Key, Value>>,
): Promise<Value | null> {
  state.open ??= openBatch(state, loadMany)
  state.open.keys.push(key)
  const values = await state.open.values
  return values.get(key) ?? null
}

function openBatch<Key, Value>(
  state: LoaderState<Key, Value>,
  loadMany: (keys: readonly Key[]) => Promise<ReadonlyMap<Key, Value>>,
): Batch<Key, Value> {
  const keys: Key[] = []
  const values = resolversSettled().then(() => {
    state.open = null
    return loadMany(keys)
  })
  return { keys, values }
}

// Resolvers of one level run in chained microtasks; the tick after them comes when all have asked.
function resolversSettled(): Promise<void> {
  return new Promise((resolve) => {
    void Promise.resolve().then(() => process.nextTick(resolve))
  })
}
