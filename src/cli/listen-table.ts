import { styleText } from 'node:util'
import { textOf } from '../kernel/json.ts'
import type { ListenedMessage } from './listen-documents.ts'
import type { ForwardResult } from './listen-forward.ts'
import type { PrintedPart } from './listen-options.ts'

/** How a table is to look. */
export interface TableStyle {
  readonly columns: number
  readonly isColoured: boolean
  /** Whether messages are sent on: without, there is no status to show. */
  readonly isForwarding: boolean
}

type Alignment = 'left' | 'right'
type Colour = 'green' | 'yellow' | 'red' | 'dim'

interface Cell {
  readonly text: string
  readonly width: number
  readonly alignment?: Alignment
  readonly colour?: Colour
}

const separator = '  '
const minColumns = 60
const widths = { time: 8, size: 9, status: 6, duration: 8 }

export function headingOf(style: TableStyle): string {
  return rowOf({ time: 'TIME', type: 'TYPE', size: 'SIZE', request: 'REQUEST', status: 'STATUS', took: 'TOOK' }, style)
}

/** @param result null while it is not there; it stays null without a forward address. */
export function messageRow(message: ListenedMessage, result: ForwardResult | null, style: TableStyle): string {
  const texts = {
    time: clockOf(message.receivedAt),
    type: printable(message.event.type),
    size: sizeOf(bodyOf(message).length),
    request: printable(requestOf(message)),
    status: statusOf(result),
    took: result === null ? '' : durationOf(result.durationMs),
  }
  const row = rowOf(texts, style, result === null ? undefined : colourOf(result))
  if (result?.error == null) return row
  // In a line of its own: it says what to do, and the row has no room.
  const error = cut(`${' '.repeat(widths.time)}${separator}${printable(result.error)}`, style.columns - 1)
  return `${row}\n${style.isColoured ? styleText('red', error, { validateStream: false }) : error}`
}

/** For programs and files: nothing is cut, the columns stand apart by tabs. */
export function plainLine(message: ListenedMessage, result: ForwardResult | null): string {
  const fields = [
    message.receivedAt,
    message.id,
    printable(message.event.type),
    String(bodyOf(message).length),
    printable(requestOf(message)),
    ...(result === null ? [] : [statusOf(result), `${result.durationMs} ms`]),
    ...(result?.error == null ? [] : [printable(result.error)]),
  ]
  return fields.join('\t')
}

/** Header fields and body, as `--print` asks for them; empty when it asks for none. */
export function partsOf(message: ListenedMessage, parts: readonly PrintedPart[]): string {
  const texts = parts.map((part) => (part === 'headers' ? headersText(message) : bodyText(message)))
  return texts.filter((text) => text !== '').join('\n\n')
}

/** The method, and what followed the source's address. */
function requestOf({ method, path, query }: ListenedMessage): string {
  return `${method} ${path ?? '/'}${query === null ? '' : `?${query}`}`
}

function headersText({ headers }: ListenedMessage): string {
  return headers.map(({ name, value }) => printable(`${name}: ${value}`)).join('\n')
}

function bodyText(message: ListenedMessage): string {
  const body = bodyOf(message)
  const text = textOf(body)
  return text === null ? `(${sizeOf(body.length)} that are not text)` : printable(text, /[^\P{Cc}\n\t]|\p{Cf}/gu)
}

function bodyOf({ body }: ListenedMessage): Buffer {
  return Buffer.from(body, 'base64')
}

/** Without the characters by which a sender could steer the terminal. */
function printable(text: string, unprintable = /[\p{Cc}\p{Cf}]/gu): string {
  return text.replace(unprintable, '\ufffd')
}

function statusOf(result: ForwardResult | null): string {
  if (result === null) return '…'
  return result.error === null ? String(result.status) : 'error'
}

function colourOf({ status, error }: ForwardResult): Colour {
  if (error !== null || status === null || status >= 400) return 'red'
  return status < 300 ? 'green' : 'yellow'
}

function rowOf(
  texts: Record<'time' | 'type' | 'size' | 'request' | 'status' | 'took', string>,
  { columns, isColoured, isForwarding }: TableStyle,
  colour?: Colour,
): string {
  const ending: Cell[] = isForwarding
    ? [
        { text: texts.status, width: widths.status, alignment: 'right', ...(colour ? { colour } : {}) },
        { text: texts.took, width: widths.duration, alignment: 'right' },
      ]
    : []
  const taken = [widths.time, widths.size, ...ending.map(({ width }) => width)]
  const gaps = (taken.length + 1) * separator.length
  // A terminal breaks a row that fills its last column.
  const free = Math.max(columns, minColumns) - 1 - gaps - taken.reduce((sum, width) => sum + width, 0)
  const typeWidth = Math.min(32, Math.floor(free * 0.4))
  const cells: Cell[] = [
    { text: texts.time, width: widths.time, colour: 'dim' },
    { text: texts.type, width: typeWidth },
    { text: texts.size, width: widths.size, alignment: 'right' },
    { text: texts.request, width: Math.min(64, free - typeWidth) },
    ...ending,
  ]
  return cells.map((cell) => cellText(cell, isColoured)).join(separator)
}

function cellText({ text, width, alignment = 'left', colour }: Cell, isColoured: boolean): string {
  const short = cut(text, width)
  const padded = alignment === 'left' ? short.padEnd(width) : short.padStart(width)
  return isColoured && colour !== undefined ? styleText(colour, padded, { validateStream: false }) : padded
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(width - 1, 0))}…`
}

/** The local time of day. */
function clockOf(time: string): string {
  const date = new Date(time)
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, '0')).join(':')
}

export function sizeOf(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`
  return bytes < 1_000_000 ? `${(bytes / 1_000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`
}

function durationOf(durationMs: number): string {
  return durationMs < 10_000 ? `${durationMs} ms` : `${(durationMs / 1_000).toFixed(1)} s`
}
