import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { createDeliveryMeters } from './delivery-meters.ts'

async function countsByType(metrics: Registry): Promise<Map<string, number>> {
  const values = (await metrics.getSingleMetric('webhook_events_total')?.get())?.values ?? []
  return new Map(values.map(({ labels, value }) => [String(labels.event_type), value]))
}

test('however many types are registered or made up, the labels stay few and nothing goes uncounted', async () => {
  const metrics = new Registry()
  const meters = createDeliveryMeters(metrics)
  meters.arrived([{ eventType: 'order.created', count: 2 }])
  for (let number = 0; number < 100_000; number += 1) meters.arrived([{ eventType: `type.n${number}`, count: 1 }])
  meters.arrived([
    { eventType: null, count: 7 },
    { eventType: 'order.created', count: 3 },
  ])
  const counts = await countsByType(metrics)
  expect(counts.size).toBeLessThanOrEqual(501)
  expect(counts.get('order.created')).toBe(5)
  expect([...counts.values()].reduce((sum, count) => sum + count, 0)).toBe(100_012)
})
