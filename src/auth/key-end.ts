import type { Issue } from '../kernel/outcome.ts'
import { issue } from '../projects/input-checks.ts'

/** Checks when a key shall end. */
export function checkEnd(expiresAt: Date | null | undefined): Issue[] {
  const endsAtMs = expiresAt?.getTime()
  // Said this way round, so that an invalid date is refused too.
  if (endsAtMs === undefined || endsAtMs > Date.now()) return []
  return [issue('OUT_OF_RANGE', ['input', 'expiresAt'], 'The end must be in the future.')]
}
