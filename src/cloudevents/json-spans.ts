import { createTurns } from '../kernel/turn.ts'
import { scanValue, skipColon, skipSpace, skipString, skipValue } from './json-scan.ts'

/*
 * Finds where the members of an object, or the items of a list, stand in a JSON text, and proves that the text is JSON
 * (RFC 8259). Values are not built: their text is what is stored and sent on, with its numbers, white space and repeated
 * names. It takes time in proportion to the text and no stack, however deep the text nests.
 */

/** Where a value stands: from `start` up to, not including, `end`. */
export interface Span {
  readonly start: number
  readonly end: number
}

export interface Member extends Span {
  readonly name: string
}

export interface Members extends Span {
  readonly members: readonly Member[]
}

/**
 * Reads the object that begins at `start`.
 *
 * @param most members are looked for; of a larger object one more than these is given, and nothing said of the rest.
 * @returns null when there is no object.
 */
export function membersAt(text: string, start: number, most: number): Members | null {
  const members: Member[] = []
  const parts = partsAt(text, start, '{', (at) => memberAt(text, at))
  for (let next = parts.next(); ; next = parts.next()) {
    if (next.done) return next.value === null ? null : { members, start, end: next.value }
    members.push(next.value)
    if (members.length > most) return { members, start, end: next.value.end }
  }
}

/** @returns null when the text is not exactly one JSON object, with white space around it. */
export function membersOf(text: string, most: number): readonly Member[] | null {
  const found = membersAt(text, skipSpace(text, 0), most)
  return found === null || (found.members.length <= most && !isEnd(text, found.end)) ? null : found.members
}

/**
 * Gives one after the other the items of a text that is a list.
 *
 * @param itemAt reads the one that begins there; null ends the list as none.
 * @returns in the end, whether the text is exactly one list of these, with white space around it.
 */
export function* itemsOf<Item extends Span>(
  text: string,
  itemAt: (at: number) => Item | null,
): Generator<Item, boolean, undefined> {
  const end = yield* partsAt(text, skipSpace(text, 0), '[', itemAt)
  return end !== null && isEnd(text, end)
}

/** Whether the text is exactly one JSON value, with white space around it. Of a long one others have their turn. */
export async function isJsonText(text: string): Promise<boolean> {
  const turns = createTurns()
  const scan = scanValue(text, skipSpace(text, 0))
  let step = scan.next()
  for (; !step.done; step = scan.next()) await turns()
  return step.value !== null && isEnd(text, step.value)
}

/** The first character that is no white space: what kind of value it is. */
export function firstCharacter(text: string): string {
  return text[skipSpace(text, 0)] ?? ''
}

const closing = { '{': '}', '[': ']' } as const

/** @returns in the end, where the object or list ends; null when it is none. */
function* partsAt<Part extends Span>(
  text: string,
  start: number,
  opening: '{' | '[',
  partAt: (at: number) => Part | null,
): Generator<Part, number | null, undefined> {
  if (text[start] !== opening) return null
  let at = skipSpace(text, start + 1)
  for (let isMore = text[at] !== closing[opening]; isMore; ) {
    const part = partAt(at)
    if (part === null) return null
    yield part
    at = skipSpace(text, part.end)
    isMore = text[at] === ','
    if (isMore) at = skipSpace(text, at + 1)
  }
  return text[at] === closing[opening] ? at + 1 : null
}

function memberAt(text: string, at: number): Member | null {
  const nameEnd = skipString(text, at)
  const start = nameEnd === null ? null : skipColon(text, nameEnd)
  const end = start === null ? null : skipValue(text, start)
  if (nameEnd === null || start === null || end === null) return null
  return { name: JSON.parse(text.slice(at, nameEnd)), start, end }
}

function isEnd(text: string, at: number): boolean {
  return skipSpace(text, at) === text.length
}
