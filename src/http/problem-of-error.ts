import { CodedError } from '../kernel/coded-error.ts'
import type { Problem } from './problem.ts'

// Codes that are not listed are ours to answer for: 500, with their code and public message.
const statusOfCode: Readonly<Record<string, number>> = {
  MALFORMED: 400,
  REQUIRED: 400,
  OUT_OF_RANGE: 400,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  REQUEST_TIMEOUT: 408,
  PAYLOAD_TOO_LARGE: 413,
  RATE_LIMITED: 429,
  DATABASE_UNAVAILABLE: 503,
  OVERLOADED: 503,
  DRAINING: 503,
}

const retryAfterSeconds = '1'

/** What a thrown error tells the client: never more than a CodedError's public half. */
export function problemOfError(error: unknown): Problem {
  if (!(error instanceof CodedError)) {
    return {
      status: 500,
      code: 'INTERNAL_ERROR',
      detail: 'Something went wrong here. The log has it under this request id.',
    }
  }
  const status = statusOfCode[error.code] ?? 500
  const problem = { status, code: error.code, detail: error.publicMessage }
  return status === 503 || status === 429 ? { ...problem, headers: { 'retry-after': retryAfterSeconds } } : problem
}
