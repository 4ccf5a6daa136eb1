import { expect, test } from 'vitest'
import type { FeedMessage } from './feed-event.ts'
import { type Tail, Tails } from './tail.ts'

interface Row {
  readonly sequence: number
  readonly sizeBytes: number
}

function message(sequence: number, sizeBytes: number): FeedMessage<Row> {
  return { kind: 'message', sourceId: 'src_a', sequence, logEpoch: 'e', row: { sequence, sizeBytes } }
}

function held(tail: Tail<Row>): number[] {
  const sequences: number[] = []
  for (let sequence = 0; sequence <= tail.end + 2; sequence += 1) {
    const found = tail.at(sequence)
    if (found !== undefined) expect(found.sequence).toBe(sequence)
    if (found !== undefined) sequences.push(sequence)
  }
  return sequences
}

test('a tail holds the latest messages that its bytes allow', () => {
  const tails = new Tails<Row>({ tailBytes: 30, totalBytes: 1_000 })
  const tail = tails.open(7)
  expect(held(tail)).toEqual([])
  for (let sequence = 8; sequence <= 60; sequence += 1) {
    tails.append(tail, message(sequence, 10))
    expect(held(tail)).toEqual([sequence - 2, sequence - 1, sequence].filter((expected) => expected > 7))
    expect(tail.end).toBe(sequence)
  }
  tails.append(tail, message(61, 31))
  expect(held(tail)).toEqual([])
  expect([tail.start, tail.end, tail.bytes]).toEqual([62, 61, 0])
})

test('when all tails together hold too much the largest gives way', () => {
  const tails = new Tails<Row>({ tailBytes: 1_000, totalBytes: 100 })
  const [large, small] = [tails.open(0), tails.open(0)]
  for (let sequence = 1; sequence <= 9; sequence += 1) tails.append(large, message(sequence, 10))
  for (let sequence = 1; sequence <= 3; sequence += 1) tails.append(small, message(sequence, 10))
  expect(held(large)).toEqual([3, 4, 5, 6, 7, 8, 9])
  expect(held(small)).toEqual([1, 2, 3])
  tails.close(large)
  for (let sequence = 4; sequence <= 10; sequence += 1) tails.append(small, message(sequence, 10))
  expect(held(small)).toHaveLength(10)
})

test('a hole is refused', () => {
  const tails = new Tails<Row>({ tailBytes: 30, totalBytes: 30 })
  const tail = tails.open(7)
  expect(() => tails.append(tail, message(9, 1))).toThrow('9 does not follow 7')
})
