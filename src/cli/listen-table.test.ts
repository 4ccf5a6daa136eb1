import { expect, test } from 'vitest'
import type { ListenedMessage } from './listen-documents.ts'
import { headingOf, messageRow, partsOf, plainLine } from './listen-table.ts'

const message: ListenedMessage = {
  id: 'msg_1',
  sequence: 7,
  receivedAt: '2030-01-31T12:00:00.000Z',
  method: 'POST',
  path: '/orders',
  query: 'a=1',
  headers: [{ name: 'X-One', value: '1' }],
  contentType: 'application/json',
  body: Buffer.from('{"a":1}').toString('base64'),
  event: { id: '1', type: 'order.created', subject: null },
}
const style = { columns: 100, isColoured: false, isForwarding: true }
const answered = { status: 204, error: null, durationMs: 12 }

test('a row stands under its headings and fits the terminal', () => {
  const heading = headingOf(style)
  const row = messageRow(message, answered, style)
  for (const [title, text] of [
    ['TYPE', 'order.created'],
    ['REQUEST', 'POST /orders?a=1'],
  ] as const) {
    expect(row.indexOf(text)).toBe(heading.indexOf(title))
  }
  expect(row).toMatch(/^\d\d:\d\d:00 .* 7 B .* 204 +12 ms$/)
  for (const columns of [60, 80, 200]) {
    const long = { ...message, path: '/x'.repeat(200), event: { ...message.event, type: 'y'.repeat(200) } }
    expect(messageRow(long, answered, { ...style, columns }).length).toBeLessThan(columns)
  }
})

test('a row that waits for its answer is as long as the one that replaces it', () => {
  const waiting = messageRow(message, null, style)
  expect(waiting).toContain('…')
  expect(waiting).toHaveLength(messageRow(message, answered, style).length)
})

test('an error has a line of its own; colours come only when asked for', () => {
  const failed = { status: null, error: 'connect ECONNREFUSED 127.0.0.1:1', durationMs: 1 }
  expect(messageRow(message, failed, style)).toMatch(/ error +1 ms\n +connect ECONNREFUSED 127\.0\.0\.1:1$/)
  expect(messageRow(message, failed, style)).not.toContain('\u001b')
  expect(messageRow(message, failed, { ...style, isColoured: true })).toContain('\u001b[31m')
})

/** Characters that do not show themselves; a table has lines and tabs. */
const steering = /[^\P{Cc}\n\t]|\p{Cf}/u

test('a sender cannot steer the terminal', () => {
  const evil = '\u001b]0;title\u0007\u009b2J\u202e\r\n'
  const body = Buffer.from(`{"a":"${evil}"}\n\ttext`).toString('base64')
  const hostile = { ...message, path: `/${evil}`, headers: [{ name: 'X', value: evil }], body }
  hostile.event = { ...message.event, type: evil }
  const result = { ...answered, error: evil }
  for (const text of [messageRow(hostile, result, style), plainLine(hostile, result)]) {
    expect(text).not.toMatch(steering)
  }
  expect(plainLine(hostile, result)).not.toContain('\n')
  expect(partsOf(hostile, ['headers'])).not.toMatch(/[\p{Cc}\p{Cf}]/u)
  expect(partsOf(hostile, ['body'])).toMatch(/"\}\n\ttext$/)
  expect(partsOf(hostile, ['body'])).not.toMatch(steering)
})

test('a body that is not text is told by its size', () => {
  expect(partsOf({ ...message, body: Buffer.from([0xff, 0xfe]).toString('base64') }, ['body'])).toBe(
    '(2 B that are not text)',
  )
})
