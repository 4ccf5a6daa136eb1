import { GraphQLError } from 'graphql'
import { describe, expect, test } from 'vitest'
import { until } from '../../test/support/until.ts'
import { createSharedResults, type Execute, type Execution, type Member } from './shared-results.ts'

let executions = 0

/** @returns what executes, and how often it did. */
function counted(execution: Partial<Execution> = {}): { execute: () => Promise<Execution>; count: () => number } {
  const before = executions
  return {
    async execute() {
      executions += 1
      const json = Buffer.from(String(executions))
      return { result: { data: {} }, json, isPersonal: false, ...execution }
    },
    count: () => executions - before,
  }
}

function executionOf(member: Member, event: object, execute: Execute): Promise<Execution> {
  return new Promise((resolve, reject) => {
    const known = member.executionOf(event, execute, { executed: resolve, failed: reject })
    if (known !== null) resolve(known)
  })
}

async function textsOf(members: readonly Member[], event: object, execute: () => Promise<Execution>) {
  const all = await Promise.all(members.map((member) => executionOf(member, event, execute)))
  return all.map(({ json }) => String(json))
}

describe('one execution serves all of a group', () => {
  test('who comes to an event together, and who comes later', async () => {
    const shared = createSharedResults()
    const members = [shared.join('a'), shared.join('a'), shared.join('a')]
    const event = {}
    const { execute, count } = counted()
    const [first] = await textsOf(members, event, execute)
    expect(await textsOf(members, event, execute)).toEqual([first, first, first])
    expect(count()).toBe(1)
    await textsOf(members, {}, execute)
    expect(count()).toBe(2)
  })

  test('another key has an execution of its own', async () => {
    const shared = createSharedResults()
    const members = ['a', 'a', 'b', 'b'].map((key) => shared.join(key))
    const [a, sameA, b, sameB] = await textsOf(members, {}, counted().execute)
    expect([sameA, sameB]).toEqual([a, b])
    expect(a).not.toBe(b)
  })

  test('nothing is kept for one who is alone, also when others have left', async () => {
    const shared = createSharedResults()
    const [member, other] = [shared.join('a'), shared.join('a')]
    other.leave()
    const { execute, count } = counted()
    const event = {}
    await textsOf([member], event, execute)
    await textsOf([member], event, execute)
    expect(count()).toBe(2)
  })
})

test('what depends on whose key it is goes to nobody else', async () => {
  const shared = createSharedResults()
  const members = [shared.join('a'), shared.join('a'), shared.join('a')]
  const texts = await textsOf(members, {}, counted({ isPersonal: true }).execute)
  expect(new Set(texts).size).toBe(3)
})

test('an error is given to those who wait for it, and to nobody who comes later', async () => {
  const shared = createSharedResults()
  const members = [shared.join('a'), shared.join('a')]
  const { execute, count } = counted({ json: null, result: { errors: [new GraphQLError('no')] } })
  const event = {}
  await textsOf(members, event, execute)
  expect(count()).toBe(1)
  await textsOf(members, event, execute)
  expect(count()).toBe(2)
})

test('an execution that throws does so for all who wait for it, and is tried again', async () => {
  const shared = createSharedResults()
  const members = [shared.join('a'), shared.join('a')]
  const event = {}
  const failing = () => Promise.reject(new Error('gone'))
  const seen = await Promise.allSettled(members.map((member) => executionOf(member, event, failing)))
  expect(seen.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect(new Set(await textsOf(members, event, counted().execute)).size).toBe(1)
})

describe('what is kept is bounded', () => {
  test('by bytes: the oldest goes first', async () => {
    const shared = createSharedResults({ maxBytes: 1_000 })
    const members = [shared.join('a'), shared.join('a')]
    const { execute, count } = counted({ json: Buffer.alloc(400) })
    const events = [{}, {}, {}]
    for (const event of events) await textsOf(members, event, execute)
    expect(count()).toBe(3)
    for (const event of events.slice(1)) await textsOf(members, event, execute)
    expect(count()).toBe(3)
    for (const event of events.slice(0, 1)) await textsOf(members, event, execute)
    expect(count()).toBe(4)
  })

  test('by age: a later reader is shown what is true by then', async () => {
    const shared = createSharedResults({ maxAgeMs: 50 })
    const members = [shared.join('a'), shared.join('a')]
    const { execute, count } = counted()
    const event = {}
    await textsOf(members, event, execute)
    await until(async () => {
      await textsOf(members, event, execute)
      return count() > 1
    }, true)
  })
})
