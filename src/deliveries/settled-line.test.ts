import { expect, test } from 'vitest'
import { newId } from '../kernel/ids.ts'
import type { Settled, Settlement } from './settle.ts'
import { settledLine } from './settled-line.ts'

const endpointId = newId('ept')

function attempted(failure: 'STATUS' | 'DNS' | null, durationMs: number): Settlement {
  return {
    attemptId: newId('att'),
    deliveryId: newId('dlv'),
    lease: { endpointId, number: 1 },
    attemptNumber: 1,
    outcome: { startedAt: new Date(), durationMs, response: null, failure, failureDetail: null, retryAfter: null },
    decision: { kind: failure === null ? 'delivered' : 'failed' },
  } as Settlement
}

test('a batch is told in one line: how many, what became of them, why not, and by which ids', () => {
  const batch = [attempted(null, 12.4), attempted('STATUS', 90), attempted('DNS', 3)]
  const settled = batch.map(({ deliveryId, decision }, place): Settled => {
    const status = place === 2 ? null : decision.kind === 'delivered' ? 'delivered' : 'failed'
    return { deliveryId, status } as Settled
  })
  expect(settledLine(batch, settled)).toEqual({
    deliveries: 3,
    endpoints: 1,
    outcomes: { delivered: 1, failed: 1, stale: 1 },
    failures: { STATUS: 1, DNS: 1 },
    slowestMs: 90,
    deliveryIds: batch.map(({ deliveryId }) => deliveryId),
    endpointIds: [endpointId],
  })
})
