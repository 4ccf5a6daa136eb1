import { isId, type ProjectId, type SourceId } from '../kernel/ids.ts'

/*
 * Cursors are opaque to clients: base64url of a JSON list that begins with the kind and version. They are not secret
 * and not signed, so whoever decodes one checks that its project is the viewer's. Garbage decodes to null; what
 * decodes also encodes back to the very same text, so that one place has one cursor.
 */

/** A place in a source's log: after `sequence`, 0 for before the first. */
export interface MessageCursor {
  readonly projectId: ProjectId
  readonly sourceId: SourceId
  /** Which history of the log the sequence belongs to. */
  readonly logEpoch: string
  readonly sequence: number
}

/** A place in a list: after the item with this key. */
export interface ListCursor {
  /** Which list, and in which order, such as `sources` or `deliveries:newest`. */
  readonly list: string
  readonly projectId: ProjectId
  /** The ordering key of the item, unique within the list. */
  readonly key: string
}

/** Characters. Far above what we make, far below what would cost anything to look at. */
const maxCursorLength = 2_048

/** Places of one vector, and its characters: what fits into a request header. */
const maxPlaces = 100
const maxVectorLength = 12_288

export function encodeCursor(cursor: MessageCursor): string {
  return encode(['m1', cursor.projectId, cursor.sourceId, cursor.logEpoch, cursor.sequence])
}

/** @returns null for anything that `encodeCursor` did not make. */
export function decodeCursor(text: string): MessageCursor | null {
  const parts = decode(text, 'm1', { count: 5 })
  if (parts === null) return null
  const [, projectId, sourceId, logEpoch, sequence] = parts
  if (!isIdText('prj', projectId) || !isIdText('src', sourceId)) return null
  if (typeof logEpoch !== 'string' || !isSequence(sequence)) return null
  return { projectId, sourceId, logEpoch, sequence }
}

/**
 * The places of one or several sources of a project in one text. Of one source it is its cursor.
 *
 * @param places one per source; 1 to 100.
 */
export function encodePlaces(places: readonly MessageCursor[]): string {
  const [first] = places
  if (first === undefined) throw new RangeError('a place is needed')
  if (places.length === 1) return encodeCursor(first)
  return encode([
    'v1',
    first.projectId,
    ...places.flatMap(({ sourceId, logEpoch, sequence }) => [sourceId, logEpoch, sequence]),
  ])
}

/** @returns null for anything that `encodePlaces` did not make. */
export function decodePlaces(text: string): MessageCursor[] | null {
  const single = decodeCursor(text)
  if (single !== null) return [single]
  const [, projectId, ...fields] = decode(text, 'v1', { maxLength: maxVectorLength }) ?? []
  if (!isIdText('prj', projectId) || fields.length < 6 || fields.length > 3 * maxPlaces) return null
  const places: MessageCursor[] = []
  for (let index = 0; index < fields.length; index += 3) {
    const [sourceId, logEpoch, sequence] = fields.slice(index, index + 3)
    if (!isIdText('src', sourceId) || typeof logEpoch !== 'string' || !isSequence(sequence)) return null
    places.push({ projectId, sourceId, logEpoch, sequence })
  }
  return places
}

export function encodeListCursor(cursor: ListCursor): string {
  return encode(['l1', cursor.list, cursor.projectId, cursor.key])
}

/** @returns null for anything that `encodeListCursor` did not make. */
export function decodeListCursor(text: string): ListCursor | null {
  const parts = decode(text, 'l1', { count: 4 })
  if (parts === null) return null
  const [, list, projectId, key] = parts
  if (typeof list !== 'string' || typeof key !== 'string' || !isIdText('prj', projectId)) return null
  return { list, projectId, key }
}

function encode(parts: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(parts)).toString('base64url')
}

/** @param bounds how many parts there are, and of how many characters the text is at most. */
function decode(text: string, kind: string, bounds: { count?: number; maxLength?: number }): unknown[] | null {
  if (text.length === 0 || text.length > (bounds.maxLength ?? maxCursorLength)) return null
  const parts = parse(text)
  if (!Array.isArray(parts) || parts.length !== (bounds.count ?? parts.length) || parts[0] !== kind) return null
  if (!parts.every((part) => typeof part === 'number' || isStorable(part))) return null
  return encode(parts) === text ? parts : null
}

function parse(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString())
  } catch {
    return null
  }
}

// PostgreSQL refuses the others as parameters.
function isStorable(value: unknown): boolean {
  return typeof value === 'string' && value.isWellFormed() && !value.includes('\0')
}

function isIdText<Prefix extends string>(prefix: Prefix, value: unknown): value is `${Prefix}_${string}` {
  return typeof value === 'string' && isId(prefix, value)
}

function isSequence(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0
}
