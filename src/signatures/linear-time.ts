import { memberOf, parseJsonBody } from './json-body.ts'
import { refuse } from './refusal.ts'
import { timestampOff } from './signature-values.ts'
import type { Refused, VerifiableRequest } from './verification.ts'

/** As Linear's own library allows. */
const toleranceMs = 60_000

/** Linear signs its time inside the body, in ms, so it can be trusted only after the signature holds. */
export function linearTime({ body }: VerifiableRequest, nowMs: number): Refused | null {
  const sentAtMs = memberOf(parseJsonBody(body), 'webhookTimestamp')
  const clockSkewMs = isUnixMs(sentAtMs) ? sentAtMs - nowMs : null
  const detail = timestampOff(clockSkewMs, { place: "the body's webhookTimestamp", toleranceMs })
  return detail === null ? null : refuse('TIMESTAMP_OFF', detail, { clockSkewMs })
}

function isUnixMs(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
