import type { RefusalLog } from '../refusals/index.ts'
import type { LimitWatch } from '../system-events/index.ts'
import type { RateLimiter } from './rate-limiter.ts'

/**
 * Has the watch told of every limit that turns a request away: over HTTP by the refusals, of which each is told to the
 * source's owner, and in the API, whose callers are answered and no refusal is kept, by the rate limiter.
 */
export function tellingOfLimits(
  watch: Pick<LimitWatch, 'add'>,
  { refusals, rateLimiter }: { refusals: Pick<RefusalLog, 'add'>; rateLimiter: Pick<RateLimiter, 'take'> },
): { refusals: Pick<RefusalLog, 'add'>; rateLimiter: Pick<RateLimiter, 'take'> } {
  return {
    refusals: {
      add(refusal) {
        refusals.add(refusal)
        watch.add(refusal)
      },
    },
    rateLimiter: {
      async take(source) {
        const verdict = await rateLimiter.take(source)
        if (!verdict.isAllowed) watch.add({ sourceId: source.id, reason: 'RATE_LIMITED' })
        return verdict
      },
    },
  }
}
