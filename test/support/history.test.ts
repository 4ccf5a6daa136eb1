import { expect, test } from 'vitest'
import { differences, type Heard, type LogEntry } from './history.ts'

const entry = (sequence: number): LogEntry => ({ sourceId: 's', sequence, id: `m${sequence}`, content: `${sequence}` })
const log = [1, 2, 3, 4, 5].map(entry)
const messages = (...sequences: number[]): Heard[] => sequences.map((n) => ({ kind: 'message', ...entry(n) }))
const gap = (fromSequence: number, toSequence: number, reason = 'RETENTION'): Heard[] => [
  { kind: 'gap', sourceId: 's', reason, fromSequence, toSequence },
]

test.each<[string, readonly Heard[], string[]]>([
  ['all', messages(1, 2, 3, 4, 5), []],
  ['all but what retention dropped', [...gap(1, 2), ...messages(3, 4, 5)], []],
  ['nothing', [], ['s: 5 are missing after 0']],
  ['not the last', messages(1, 2, 3, 4), ['s: 1 are missing after 4']],
  ['one twice', messages(1, 2, 2, 3, 4, 5), ['s: after 2 came 2 instead of 3']],
  ['not one between', messages(1, 3, 4, 5), ['s: after 1 came 3 instead of 2']],
  ['two out of order', messages(1, 3, 2, 4, 5), ['s: after 1 came 3 instead of 2']],
  ['more than there is', messages(1, 2, 3, 4, 5, 6), ['s: after 5 came 6 instead of nothing']],
  ['other content', [{ kind: 'message', ...entry(1), content: 'x' }], ['s: after 0 came 1 instead of 1']],
  ['a gap over what is kept', [...gap(1, 3), ...messages(4, 5)], ['s: after 0 came a gap 1-3: RETENTION']],
  ['a gap over what it had', [...messages(1, 2), ...gap(2, 2)], ['s: after 2 came a gap 2-2: RETENTION']],
  ['a gap of another kind', gap(1, 2, 'RESTORED'), ['s: after 0 came a gap 1-2: RESTORED']],
  ['a gap that begins too late', [...gap(2, 2), ...messages(3, 4, 5)], ['s: after 2 came 3 instead of 1']],
  [
    'another source',
    [{ kind: 'message', ...entry(1), sourceId: 't' }, ...messages(1, 2, 3, 4, 5)],
    ['t: after 0 came 1 instead of nothing'],
  ],
])('of a record of %s it is told what is wrong', (_name, heard, expected) => {
  const firstSequence = 3
  expect(differences(heard, log, () => firstSequence)).toEqual(expected)
})
