import { describe, expect, test } from 'vitest'
import { beginOf, intervalsOf, maxIntervals, type Piece, piecesOf, spanMs, timeSpanOf } from './time-span.ts'

const nowMs = Date.UTC(2026, 10, 22, 10, 58, 31, 500)
const [minute, hour, day] = [spanMs.minute, spanMs.hour, spanMs.day]
const at = (text: string) => Date.parse(text)

describe('the time that is meant', () => {
  test.each([
    ['nothing', undefined, nowMs - 24 * hour, nowMs],
    ['an open end', { from: new Date(nowMs - hour) }, nowMs - hour, nowMs],
    ['both ends', { from: new Date(nowMs - day), to: new Date(nowMs - hour) }, nowMs - day, nowMs - hour],
    ['a time to come', { from: new Date(nowMs - hour), to: new Date(nowMs + hour) }, nowMs - hour, nowMs + hour],
  ])('%s', (_, range, fromMs, toMs) => {
    expect(timeSpanOf(range, nowMs)).toEqual({ fromMs, toMs })
  })

  test('an open beginning is the earliest that is kept', () => {
    expect(timeSpanOf({ to: new Date(nowMs) }, nowMs)).toMatchObject({ fromMs: at('2024-11-21T00:00:00Z') })
  })

  test.each([
    ['the same', { from: new Date(nowMs), to: new Date(nowMs) }],
    ['the wrong way round', { from: new Date(nowMs), to: new Date(nowMs - 1) }],
    ['still to come, without an end', { from: new Date(nowMs + 1) }],
    ['older than all that is kept', { from: new Date(nowMs - 735 * day) }],
  ])('a span that is %s is told to be wrong', (_, range) => {
    expect(timeSpanOf(range, nowMs)).toEqual({ problem: expect.stringMatching(/^(The span is empty|Days are kept)/) })
  })
})

/** That pieces follow each other without gaps, each on the boundaries of its own length. */
function expectSeamless(pieces: readonly Piece[]): void {
  for (const [place, { span, fromMs, toMs }] of pieces.entries()) {
    expect([fromMs, toMs]).toEqual([beginOf(span, fromMs), beginOf(span, toMs)])
    if (place > 0) expect(pieces[place - 1]?.toMs).toBe(fromMs)
  }
}

describe('a whole', () => {
  test('is the minutes at its ends and the largest that fit in between', () => {
    const pieces = piecesOf({ fromMs: nowMs - 24 * hour, toMs: nowMs }, nowMs)
    expect(pieces.map(({ span, fromMs, toMs }) => [span, (toMs - fromMs) / spanMs[span]])).toEqual([
      ['minute', 2],
      ['hour', 23],
      ['minute', 59],
    ])
    expectSeamless(pieces)
    const week = piecesOf({ fromMs: nowMs - 7 * day, toMs: nowMs }, nowMs)
    expect(week.map(({ span, fromMs, toMs }) => [span, (toMs - fromMs) / spanMs[span]])).toEqual([
      ['hour', 14],
      ['day', 6],
      ['hour', 11],
    ])
    expectSeamless(week)
  })

  test('covers any time to the minute, and no more', () => {
    for (let step = 0; step < 500; step += 1) {
      const fromMs = nowMs - Math.floor(((step * 7919) % 2880) * minute)
      const toMs = fromMs + 1 + ((step * 104_729) % (3 * day))
      const pieces = piecesOf({ fromMs, toMs }, nowMs)
      expectSeamless(pieces)
      expect(pieces[0]?.fromMs).toBe(beginOf('minute', fromMs))
      expect(pieces.at(-1)?.toMs).toBe(beginOf('minute', toMs - 1) + minute)
    }
  })

  test('is widened where shorter intervals are not kept any more', () => {
    const week = piecesOf({ fromMs: at('2026-11-15T10:10:00Z'), toMs: at('2026-11-15T11:20:00Z') }, nowMs)
    expect(week).toEqual([{ span: 'hour', fromMs: at('2026-11-15T10:00:00Z'), toMs: at('2026-11-15T12:00:00Z') }])
    const year = piecesOf({ fromMs: at('2026-01-15T10:10:00Z'), toMs: at('2026-01-15T11:20:00Z') }, nowMs)
    expect(year).toEqual([{ span: 'day', fromMs: at('2026-01-15T00:00:00Z'), toMs: at('2026-01-16T00:00:00Z') }])
  })
})

describe('a series', () => {
  test('has whole intervals', () => {
    const span = { fromMs: at('2026-11-22T09:10:00Z'), toMs: at('2026-11-22T10:00:01Z') }
    expect(intervalsOf(span, 'hour', nowMs)).toEqual({
      span: 'hour',
      fromMs: at('2026-11-22T09:00:00Z'),
      toMs: at('2026-11-22T11:00:00Z'),
    })
  })

  test('has at most 1,500 of them', () => {
    const toMs = beginOf('minute', nowMs)
    const span = { fromMs: toMs - maxIntervals * minute, toMs }
    expect(intervalsOf(span, 'minute', nowMs)).toMatchObject({ span: 'minute' })
    expect(intervalsOf({ ...span, toMs: toMs + 1 }, 'minute', nowMs)).toEqual({
      problem: expect.stringContaining('1501 intervals; 1500 are possible'),
    })
  })

  test('begins no earlier than its intervals are kept', () => {
    const span = { fromMs: nowMs - 50 * hour, toMs: nowMs - 49 * hour }
    expect(intervalsOf(span, 'minute', nowMs)).toEqual({
      problem: expect.stringMatching(/^Minutes are kept for 48 hours/),
    })
    expect(intervalsOf(span, 'hour', nowMs)).toMatchObject({ span: 'hour' })
  })
})
