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
  /**
   * @param execute called when no other member's execution of the event can be had.
   * @returns what is there already; null when the waiter is told later.
   */
  executionOf(event: object, execute: Execute, waiter: Waiter<Execution>): Execution | null
  /** The stream has ended. */
  leave(): void
}

export type Execute = (event: object) => Promise<Execution>

/** Who is told of one execution. One of the two is called, once. Neither throws. */
export interface Waiter<Executed> {
  executed(executed: Executed): void
  failed(error: unknown): void
}

interface SharedResultsOptions {
  /** What is kept for all groups together. Default 32 MiB. */
  readonly maxBytes?: number
  /** How long it is kept at most. Default 5,000. */
  readonly maxAgeMs?: number
}

interface Group {
  members: number
  /** Who wait for the executions that run, by event; whoever comes first executes. */
  readonly running: WeakMap<object, Waiting[]>
  readonly kept: WeakMap<object, Kept>
}

interface Waiting {
  readonly execute: Execute
  readonly waiter: Waiter<Execution>
}

interface Kept {
  /** Null when it was dropped. */
  execution: Execution | null
  readonly bytes: number
  readonly sinceMs: number
}

export function createSharedResults(options: SharedResultsOptions = {}): SharedResults {
  const groups = new Map<string, Group>()
  const keep = keeper(options)

  function run(group: Group, event: object, first: Waiting): void {
    const waiting = [first]
    group.running.set(event, waiting)
    function executed(execution: Execution): void {
      group.running.delete(event)
      const kept = keep(execution)
      if (kept !== null) group.kept.set(event, kept)
      for (const each of waiting) {
        if (execution.isPersonal && each !== first) executeFor(each, event)
        else each.waiter.executed(execution)
      }
    }
    function failed(error: unknown): void {
      group.running.delete(event)
      for (const { waiter } of waiting) waiter.failed(error)
    }
    first.execute(event).then(executed, failed)
  }

  function executionOf(group: Group, event: object, waiting: Waiting): Execution | null {
    const known = group.kept.get(event)?.execution ?? null
    if (known !== null && !known.isPersonal) return known
    const running = group.running.get(event)
    if (group.members === 1 || known !== null) executeFor(waiting, event)
    else if (running === undefined) run(group, event, waiting)
    else running.push(waiting)
    return null
  }

  function leave(key: string, group: Group): void {
    group.members -= 1
    if (group.members === 0) groups.delete(key)
  }

  return {
    join(key) {
      const group = groups.get(key) ?? { members: 0, running: new WeakMap(), kept: new WeakMap() }
      groups.set(key, group)
      group.members += 1
      return {
        executionOf: (event, execute, waiter) => executionOf(group, event, { execute, waiter }),
        leave: () => leave(key, group),
      }
    },
  }
}

/** Executes for one alone. */
export function executeFor({ execute, waiter }: Waiting, event: object): void {
  execute(event).then(
    (execution) => waiter.executed(execution),
    (error: unknown) => waiter.failed(error),
  )
}

/** @returns keeps an execution for a while; gives null for one with errors, which is not kept. */
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

  return (execution: Execution): Kept | null => {
    if (execution.json === null) return null
    const kept = { execution, bytes: execution.json.length, sinceMs: performance.now() }
    keptBytes += kept.bytes
    all.add(kept)
    sweep()
    sweepLater()
    return kept
  }
}
