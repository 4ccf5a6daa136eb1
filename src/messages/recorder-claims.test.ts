import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newMessage, type Recording, startRecording } from '../../test/support/recording.ts'
import type { SourceId } from '../kernel/ids.ts'
import type { Recorded } from './record-batch.ts'
import type { Recordable } from './record-statements.ts'
import type { Recorder } from './recorder.ts'

let recording: Recording

beforeAll(async () => {
  recording = await startRecording()
})

afterAll(() => recording.close())

/** What a sender sends: an Idempotency-Key, or none, and a body. */
interface Sent {
  readonly source: number
  readonly key: string | null
  readonly body: string
}

function recordableOf(sourceId: SourceId, { key, body }: Pick<Sent, 'key' | 'body'>): Recordable {
  const bodyHash = createHash('sha256').update(body).digest()
  const claim = key === null ? null : { key: `key:${key}`, bodyHash, windowMs: 3_600_000 }
  return { message: newMessage(sourceId, { body: Buffer.from(body) }), claim }
}

const sends: fc.Arbitrary<Sent> = fc.record({
  source: fc.nat({ max: 1 }),
  key: fc.constantFrom('a', 'b', 'A', '', 'a b', null),
  body: fc.constantFrom('1', '2', '3'),
})

/** The answers that a sender may expect, computed one request after the other. */
function createModel() {
  const first = new Map<string, { readonly body: string; readonly sequence: number }>()
  const lengths = [0, 0]
  return ({ source, key, body }: Sent): object => {
    const name = `${source} ${key}`
    const held = key === null ? undefined : first.get(name)
    if (held !== undefined && held.body !== body) return { kind: 'key-reused' }
    if (held !== undefined) return { kind: 'recorded', sequence: held.sequence, isDuplicate: true }
    const sequence = (lengths[source] ?? 0) + 1
    lengths[source] = sequence
    if (key !== null) first.set(name, { body, sequence })
    return { kind: 'recorded', sequence, isDuplicate: false }
  }
}

function withoutId(recorded: Recorded | { kind: 'overloaded' }): object {
  if (recorded.kind !== 'recorded') return recorded
  const { id: _, ...rest } = recorded
  return rest
}

async function newSources(): Promise<[SourceId, SourceId]> {
  return [await recording.newSource(), await recording.newSource()]
}

test('whatever is sent, one after the other or at once, a key answers as the model of one key, one body says', async () => {
  // One lane, so that what is sent at once is stored in its order, whatever the source.
  const recorder = recording.recorder({ limits: { lanes: 1 } })
  const rounds = fc.array(fc.array(sends, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 4 })
  const property = fc.asyncProperty(rounds, async (batches) => {
    const sources = await newSources()
    const model = createModel()
    for (const batch of batches) {
      const expected = batch.map(model)
      const answers = await Promise.all(
        batch.map((sent) => recorder.record(recordableOf(sources[sent.source] ?? sources[0], sent))),
      )
      expect(answers.map(withoutId)).toEqual(expected)
    }
    for (const source of sources) {
      const log = await recording.logOf(source)
      expect(log.map(({ sequence }) => sequence)).toEqual(log.map((_, index) => index + 1))
    }
  })
  await fc.assert(property, { numRuns: 60 })
})

test('over two processes a key has one body, every answer with it names one message, and sequences stay dense', async () => {
  const recorders = [recording.recorder(), recording.recorder()]
  const property = fc.asyncProperty(fc.array(sends, { minLength: 20, maxLength: 80 }), async (sent) => {
    const sources = await newSources()
    const answers = await Promise.all(
      sent.map((each, index) => {
        const recorder = recorders[index % 2] as Recorder
        return recorder.record(recordableOf(sources[each.source] ?? sources[0], each))
      }),
    )
    const idOfKey = new Map<string, string>()
    const bodyOfKey = new Map<string, string>()
    for (const [index, { source, key, body }] of sent.entries()) {
      const answer = answers[index]
      if (answer?.kind !== 'recorded') expect(answer).toEqual({ kind: 'key-reused' })
      if (answer?.kind !== 'recorded' || key === null) continue
      const name = `${source} ${key}`
      expect(answer.id).toBe(idOfKey.get(name) ?? answer.id)
      expect(body).toBe(bodyOfKey.get(name) ?? body)
      idOfKey.set(name, answer.id)
      bodyOfKey.set(name, body)
    }
    for (const [index, { source, key, body }] of sent.entries()) {
      const isRefused = answers[index]?.kind === 'key-reused'
      expect(isRefused).toBe(key !== null && bodyOfKey.get(`${source} ${key}`) !== body)
    }
    for (const source of sources) {
      const log = await recording.logOf(source)
      expect(log.map(({ sequence }) => sequence)).toEqual(log.map((_, index) => index + 1))
    }
  })
  await fc.assert(property, { numRuns: 30 })
})

test('the first body of a key is answered as before although another body with it came just ahead', async () => {
  const recorder = recording.recorder({ limits: { lanes: 1 } })
  const source = await recording.newSource()
  const sent = (body: string) => recorder.record(recordableOf(source, { key: 'k', body }))
  const first = await sent('1')
  const [other, again] = await Promise.all([sent('2'), sent('1')])
  expect(other).toEqual({ kind: 'key-reused' })
  expect(again).toEqual({ ...first, isDuplicate: true })
})

test('several messages that stand together and give one key two bodies are refused, and none is stored', async () => {
  const recorder = recording.recorder({ limits: { lanes: 1 } })
  const source = await recording.newSource()
  const item = (key: string, body: string) => recordableOf(source, { key, body })
  const answers = await recorder.recordAll([item('a', '1'), item('b', '1'), item('b', '2')])
  expect(answers).toEqual(Array(3).fill({ kind: 'key-reused' }))
  expect(await recording.logOf(source)).toEqual([])
  const stored = await recorder.recordAll([item('a', '1'), item('b', '1'), item('b', '1'), item('c', '1')])
  expect(stored).toMatchObject([
    { sequence: 1, isDuplicate: false },
    { sequence: 2, isDuplicate: false },
    { sequence: 2, isDuplicate: true },
    { sequence: 3, isDuplicate: false },
  ])
})
