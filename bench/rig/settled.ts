import { setTimeout as delay } from 'node:timers/promises'
import type { BenchConnection } from './database-server.ts'

/** How many deliveries there are, by status. */
export type DeliveryCounts = Readonly<Record<string, number>>

const pollMs = 5

/** Waits until no delivery is open, or until the time is over. */
export async function untilSettled(connection: BenchConnection, withinMs: number): Promise<DeliveryCounts> {
  const deadlineMs = performance.now() + withinMs
  let counts = await countDeliveries(connection)
  while ((counts.pending ?? 0) + (counts.retrying ?? 0) > 0 && performance.now() < deadlineMs) {
    await delay(pollMs)
    counts = await countDeliveries(connection)
  }
  return counts
}

export async function countDeliveries(connection: BenchConnection): Promise<DeliveryCounts> {
  const rows = await connection.ask<{ status: string; count: number }>(
    'select d.status, count(*)::int as count from deliveries as d group by d.status',
  )
  return Object.fromEntries(rows.map(({ status, count }) => [status, count]))
}
