import { expect, test } from 'vitest'
import { newId } from '../kernel/ids.ts'
import { decodeCursor, decodeListCursor, decodePlaces, encodeCursor, encodeListCursor, encodePlaces } from './cursor.ts'

const place = { projectId: newId('prj'), sourceId: newId('src'), logEpoch: newId('log'), sequence: 41 }
const item = { list: 'deliveries:newest', projectId: newId('prj'), key: 'Größe "1"\n😀' }

test('a cursor leads back to its place', () => {
  for (const sequence of [0, 1, 41, Number.MAX_SAFE_INTEGER]) {
    expect(decodeCursor(encodeCursor({ ...place, sequence }))).toEqual({ ...place, sequence })
  }
  expect(decodeListCursor(encodeListCursor(item))).toEqual(item)
  expect(encodeCursor(place)).toMatch(/^[\w-]+$/)
  expect(encodeCursor(place).length).toBeLessThan(180)
})

test('the places of a hundred sources fit into one text, which a header can carry', () => {
  const places = Array.from({ length: 100 }, (_, index) => ({
    projectId: place.projectId,
    sourceId: newId('src'),
    logEpoch: 'abcdefghijkl',
    sequence: 10 ** 9 + index,
  }))
  const text = encodePlaces(places)
  expect(text.length).toBeLessThan(9_000)
  expect(decodePlaces(text)).toEqual(places)
  expect(decodePlaces(encodePlaces([...places, place]))).toBeNull()
  expect(encodePlaces([place])).toBe(encodeCursor(place))
  expect(decodePlaces(encodeCursor(place))).toEqual([place])
  expect(decodeCursor(text)).toBeNull()
})

test('a cursor of one kind is not taken for the other', () => {
  expect(decodeListCursor(encodeCursor(place))).toBeNull()
  expect(decodeCursor(encodeListCursor(item))).toBeNull()
})

const raw = (text: string): string => Buffer.from(text).toString('base64url')
const parts = ['m1', place.projectId, place.sourceId, place.logEpoch, place.sequence]

test.each([
  ['empty', ''],
  ['not base64', '!!!'],
  ['padded', `${encodeCursor(place)}=`],
  ['with a space before', ` ${encodeCursor(place)}`],
  ['cut short', encodeCursor(place).slice(0, -1)],
  ['the example of a manual', 'c2VxOjQx'],
  ['null', raw('null')],
  ['an object', raw('{"length":5}')],
  ['a later version', raw(JSON.stringify(['m2', ...parts.slice(1)]))],
  ['spaces within', raw(JSON.stringify(parts, null, 1))],
  ['one part more', raw(JSON.stringify([...parts, 1]))],
  ['a negative sequence', raw(JSON.stringify([...parts.slice(0, 4), -1]))],
  ['a fraction', raw(JSON.stringify([...parts.slice(0, 4), 1.5]))],
  ['a sequence beyond what is exact', raw(JSON.stringify([...parts.slice(0, 4), 2 ** 53]))],
  ['another spelling of the number', raw(JSON.stringify(parts).replace(',41]', ',4.1e1]'))],
  ['minus zero', raw(JSON.stringify(parts).replace(',41]', ',-0]'))],
  ['a sequence in quotes', raw(JSON.stringify([...parts.slice(0, 4), '41']))],
  ['an id of another kind', raw(JSON.stringify(['m1', place.sourceId, place.sourceId, place.logEpoch, 1]))],
  ['nested lists', raw('['.repeat(700) + ']'.repeat(700))],
  ['very long', 'A'.repeat(1_000_000)],
  ['a vector of nothing', raw(JSON.stringify(['v1', place.projectId]))],
  ['a vector of one', raw(JSON.stringify(['v1', place.projectId, place.sourceId, 'a', 1]))],
  [
    'a vector with a part missing',
    raw(JSON.stringify(['v1', place.projectId, place.sourceId, 'a', 1, place.sourceId, 'a'])),
  ],
  ['a NUL', raw(JSON.stringify(['l1', 'sources', place.projectId, 'a\0b']))],
  ['a lone surrogate', raw(JSON.stringify([...parts.slice(0, 3), '\ud800', 1]))],
])('garbage is refused, not thrown: %s', (_, text) => {
  expect(decodeCursor(text)).toBeNull()
  expect(decodeListCursor(text)).toBeNull()
  expect(decodePlaces(text)).toBeNull()
})

test('any cursor with one character changed is refused or is another place, never an error', () => {
  const cursor = encodeCursor(place)
  for (let at = 0; at < cursor.length; at += 1) {
    const changed = `${cursor.slice(0, at)}${cursor[at] === 'A' ? 'B' : 'A'}${cursor.slice(at + 1)}`
    const decoded = decodeCursor(changed)
    if (decoded !== null) expect(encodeCursor(decoded)).toBe(changed)
  }
})
