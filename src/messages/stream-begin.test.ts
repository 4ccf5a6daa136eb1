import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Recording, startRecording } from '../../test/support/recording.ts'
import { newId, type SourceId } from '../kernel/ids.ts'
import { encodeCursor, encodePlaces } from '../live/cursor.ts'
import { createMessageStore, type MessageStore } from './message-store.ts'
import { beginStream } from './stream-begin.ts'

let recording: Recording
let store: MessageStore
beforeAll(async () => {
  recording = await startRecording()
  store = createMessageStore(recording.sql)
})
afterAll(() => recording.close())

const startMs = Date.parse('2026-11-01T00:00:00Z')
const at = (offsetMs: number) => new Date(startMs + offsetMs)

/** A source whose messages were received at these times, in ms after the start. */
async function sourceReceivedAt(offsetsMs: readonly number[]): Promise<SourceId> {
  const sourceId = await recording.newSource()
  await recording.sql.query(
    `insert into messages (id, project_id, source_id, sequence, received_at, method, headers, remote_address, body)
     select 'msg_' || $1::text || place, 'prj', $1::text, place, $2::timestamptz + t * interval '1 ms', 'POST', '[]', '', ''
       from unnest($3::float8[]) with ordinality as o (t, place)`,
    [sourceId, at(0), offsetsMs],
  )
  await recording.sql.query('update source_heads set last_sequence = $2 where source_id = $1', [
    sourceId,
    offsetsMs.length,
  ])
  return sourceId
}

test('since a time begins with the first message received at or after it', async () => {
  const offsets = Array.from({ length: 1_000 }, (_, index) => index * 100)
  const sourceId = await sourceReceivedAt(offsets)
  const first = (offsetMs: number) => store.firstSequenceSince(sourceId, at(offsetMs))
  expect(await first(-1)).toBe(1)
  expect(await first(0)).toBe(1)
  expect(await first(1)).toBe(2)
  for (const place of [2, 17, 499, 500, 999, 1_000]) {
    expect(await first((place - 1) * 100)).toBe(place)
    expect(await first((place - 1) * 100 - 99)).toBe(place)
  }
  expect(await first(99_901)).toBe(1_001)
})

test('messages stored a little out of the order of their receipt are all found', async () => {
  // Received in steps of 500 ms, each up to 4 s early or late.
  const offsets = Array.from({ length: 400 }, (_, index) => index * 500 + (((index * 7_919) % 17) - 8) * 500)
  const sourceId = await sourceReceivedAt(offsets)
  for (let offset = -5_000; offset < 206_000; offset += 1_237) {
    const expected = offsets.findIndex((received) => received >= offset)
    expect(await store.firstSequenceSince(sourceId, at(offset))).toBe(expected === -1 ? 401 : expected + 1)
  }
})

test('since a time before what is kept begins with the first message that is kept', async () => {
  const sourceId = await sourceReceivedAt([0, 60_000, 120_000, 180_000])
  await recording.sql.query('update source_heads set first_sequence = 3 where source_id = $1', [sourceId])
  expect(await store.firstSequenceSince(sourceId, at(0))).toBe(3)
  await recording.sql.query('update source_heads set first_sequence = 5 where source_id = $1', [sourceId])
  expect(await store.firstSequenceSince(sourceId, at(0))).toBe(5)
  expect(await store.firstSequenceSince(await recording.newSource(), at(0))).toBe(1)
})

test('each source begins at its cursor, else at the time, else now', async () => {
  const [first, second] = [await sourceReceivedAt([0, 60_000]), await sourceReceivedAt([0, 60_000, 120_000])]
  const projectId = newId('prj')
  const cursor = { projectId, sourceId: second, logEpoch: 'a', sequence: 1 }
  const begin = (after: string[], since: Date | null) =>
    beginStream(store, { projectId, sourceIds: [first, second], after, since })
  const positions = (...sequences: number[]) => ({
    kind: 'begins',
    positions: [first, second].map((sourceId, index) => ({ sourceId, after: sequences[index], logEpoch: 'a' })),
  })
  expect(await begin([], null)).toEqual(positions(2, 3))
  expect(await begin([encodeCursor(cursor)], null)).toEqual(positions(2, 1))
  expect(await begin([encodeCursor(cursor)], at(60_000))).toEqual(positions(1, 1))
  const both = [
    { ...cursor, sourceId: first, sequence: 0 },
    { ...cursor, sequence: 2 },
  ]
  expect(await begin([encodeCursor(cursor), encodePlaces(both)], at(0))).toEqual(positions(0, 2))
})

test('garbage, foreign cursors, places of the future and times to come are refused', async () => {
  const sourceId = await sourceReceivedAt([0])
  const projectId = newId('prj')
  const cursor = { projectId, sourceId, logEpoch: 'a', sequence: 1 }
  const begin = (after: string[], since: Date | null = null) =>
    beginStream(store, { projectId, sourceIds: [sourceId], after, since })
  const refused = { kind: 'refused' }
  expect(await begin(['garbage'])).toMatchObject(refused)
  expect(await begin([encodeCursor({ ...cursor, projectId: newId('prj') })])).toMatchObject(refused)
  expect(await begin([encodeCursor({ ...cursor, sequence: 2 })])).toMatchObject(refused)
  expect(await begin([], new Date(Date.now() + 120_000))).toMatchObject(refused)
  expect(await begin([encodeCursor({ ...cursor, logEpoch: 'b', sequence: 2 })])).toMatchObject({ kind: 'begins' })
})
