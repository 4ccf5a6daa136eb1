import { CodedError } from '../../kernel/coded-error.ts'

export type EmbeddedErrorCode =
  /** Another live process uses the data directory. */
  | 'EMBEDDED_IN_USE'
  /** There are no PostgreSQL binaries for this machine. */
  | 'EMBEDDED_UNAVAILABLE'
  /** Files or directories cannot be reached or belong to somebody else. */
  | 'EMBEDDED_ACCESS'
  /** The data were written by another major version of PostgreSQL. */
  | 'EMBEDDED_WRONG_MAJOR'
  | 'EMBEDDED_INIT_FAILED'
  | 'EMBEDDED_START_FAILED'
  | 'EMBEDDED_STOP_FAILED'
  /** The server ended although nobody stopped it. */
  | 'EMBEDDED_ENDED'

/** @param publicMessage what is wrong and what to do next, for whoever reads the terminal. */
export function embeddedError(code: EmbeddedErrorCode, publicMessage: string, cause?: unknown): CodedError {
  return new CodedError(code, publicMessage, { cause })
}

/** Whether a file system error says that there is nothing at the path. */
export function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
