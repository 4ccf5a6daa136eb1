import type { ExecutionResult } from 'graphql'

/*
 * Many subscribers of one document are served by one execution. Those with the same sharing key form a group; the member
 * that first comes to an event executes it, and the others take what it gave, written once.
 *
 *   with errors   given to those who wait for it, each of whom is told its own request's id, and not kept
 *   personal      given to nobody else: a resolver looked at more of the viewer than its rights
 *   alone         a group of one shares nothing, and keeps nothing
 *
 * What is kept hangs on the event's object, which all who read a source's tail have in common, and goes with it when the
 * tail drops it. It goes before when it is old, for later readers are to be shown what is true by then; or when all that
 * is kept holds too many bytes.
 */

/** What one execution of an event gave. */
export interface Execution {
  /** Errors are not masked. */
  readonly result: ExecutionResult
  /** The result as UTF-8; null when there are errors, which are told to each subscriber apart. */
  readonly json: Buffer | null
  /** Whether it depends on whose key it was, beyond the key's rights. */
  readonly isPersonal: boolean
}

export interface SharedResults {
  /** Joins those with the same key. */
  join(key: string): Member
}

export interface Member {
  /** @param execute called when no other member's execution of the event can be had. */
  executionOf(event: object, execute: () => Promise<Execution>): Promise<Execution>
  /** The stream has ended. */
  leave(): void
}

interface SharedResultsOptions {
  /** What is kept for all groups together. Default 32 MiB. */
  readonly maxBytes?: number
  /** How long it is kept at most. Default 5,000. */
  readonly maxAgeMs?: number
}

interface Group {
  members: number
  readonly kept: WeakMap<object, Kept>
}

interface Kept {
  /** Null when it was dropped. */
  execution: Promise<Execution> | null
  bytes: number
  sinceMs: number
}

export function createSharedResults(options: SharedResultsOptions = {}): SharedResults {
  const groups = new Map<string, Group>()
  const keep = keeper(options)

  async function executionOf(group: Group, event: object, execute: () => Promise<Execution>): Promise<Execution> {
    if (group.members === 1) return await execute()
    const running = group.kept.get(event)?.execution
    if (running) {
      const execution = await running
      return execution.isPersonal ? await execute() : execution
    }
    const own = execute()
    const kept: Kept = { execution: own, bytes: 0, sinceMs: 0 }
    group.kept.set(event, kept)
    own.then(
      ({ json }) => keep(kept, json?.length ?? null),
      () => keep(kept, null),
    )
    return await own
  }

  function leave(key: string, group: Group): void {
    group.members -= 1
    if (group.members === 0) groups.delete(key)
  }

  return {
    join(key) {
      const group = groups.get(key) ?? { members: 0, kept: new WeakMap() }
      groups.set(key, group)
      group.members += 1
      return {
        executionOf: (event, execute) => executionOf(group, event, execute),
        leave: () => leave(key, group),
      }
    },
  }
}

/** @returns keeps an execution of so many bytes for a while; of null bytes, not at all. */
function keeper({ maxBytes = 32 * 1024 * 1024, maxAgeMs = 5_000 }: SharedResultsOptions) {
  /** Oldest first. */
  const all = new Set<Kept>()
  let keptBytes = 0
  let isSweepDue = false

  function drop(kept: Kept): void {
    kept.execution = null
    keptBytes -= kept.bytes
    all.delete(kept)
  }

  function sweep(): void {
    const endMs = performance.now() - maxAgeMs
    for (const kept of all) {
      if (keptBytes <= maxBytes && kept.sinceMs > endMs) break
      drop(kept)
    }
  }

  function sweepLater(): void {
    if (isSweepDue) return
    isSweepDue = true
    setTimeout(() => {
      isSweepDue = false
      sweep()
      if (all.size > 0) sweepLater()
    }, maxAgeMs).unref()
  }

  return (kept: Kept, bytes: number | null): void => {
    if (bytes === null) {
      kept.execution = null
      return
    }
    kept.bytes = bytes
    kept.sinceMs = performance.now()
    keptBytes += bytes
    all.add(kept)
    sweep()
    sweepLater()
  }
}
