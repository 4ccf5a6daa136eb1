import type { GraphQLError } from 'graphql'
import { requestError } from './request-error.ts'

/** Body bytes that one answer reads at most, over all of its pages; a single larger body is read all the same. */
const maxReadBytes = 8 * 1024 * 1024
/** What was read may be written as bytes, as text and parsed, and its headers beside it. */
const timesWritten = 4

/**
 * What one execution may still read and write of bodies and headers, which senders and receivers make as large as they
 * like. Without it many small pages in one document, or many aliases of one field, would add up to an answer that fills
 * the memory and holds up everybody while it is written.
 */
export interface AnswerBudget {
  /**
   * Runs `read` with the bytes that are left, 0 when they are spent, and takes off what it read. Readers take turns:
   * what one reads is known before the next begins.
   *
   * @param bytesOf the body bytes of a row.
   * @returns what `read` gave.
   */
  read<Row>(bytesOf: (row: Row) => number, read: (leftBytes: number) => Promise<Row[]>): Promise<Row[]>
  /**
   * Takes off what a field is about to write.
   *
   * @throws GraphQLError QUERY_TOO_LARGE when that is more than is left.
   */
  write(bytes: number): void
}

export function createAnswerBudget(): AnswerBudget {
  let readBytes = 0
  let writtenBytes = 0
  /** The event of a stream was read before. */
  let largestBytes = maxReadBytes
  let turn: Promise<unknown> = Promise.resolve()
  return {
    read(bytesOf, read) {
      const reading = turn.then(async () => {
        const rows = await read(Math.max(0, maxReadBytes - readBytes))
        for (const row of rows) readBytes += bytesOf(row)
        return rows
      })
      turn = reading.catch(() => undefined)
      return reading
    },
    write(bytes) {
      writtenBytes += bytes
      largestBytes = Math.max(largestBytes, bytes)
      if (writtenBytes > timesWritten * Math.max(readBytes, largestBytes)) throw bodiesTooLarge()
    },
  }
}

/** For what cannot be told by a page that ends early. */
export function bodiesTooLarge(): GraphQLError {
  return requestError('QUERY_TOO_LARGE', 'The answer would hold too many bytes of bodies and headers: ask for fewer.')
}
