import { afterEach, expect, test } from 'vitest'
import { newId } from '../kernel/ids.ts'
import type { SchemaJob } from './schema-checker.ts'
import { createSchemaLanes } from './schema-lanes.ts'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

/** Parsing alone takes some 10 ms: far below what a single check may take. */
const heavy: SchemaJob = {
  kind: 'check',
  key: 'heavy',
  schema: '{"items":{"type":"number","multipleOf":0.5}}',
  data: Buffer.from(`[${'1.5,'.repeat(300_000)}1]`),
}
const innocent: SchemaJob = { kind: 'check', key: 'innocent', schema: '{"type":"number"}', data: Buffer.from('1') }

test('one whose checks are each quick enough, but many, does not hold up others for long', async () => {
  const lanes = createSchemaLanes()
  closers.push(() => lanes.close())
  const [busy, other] = [newId('prj'), newId('prj')]
  await lanes.run(other, innocent)
  let answered = 0
  const checks = Array.from({ length: 150 }, () => lanes.run(busy, heavy).then(() => (answered += 1)))
  // Long enough in the common lane to have left it.
  while (answered < 60) await Promise.race(checks.slice(answered))
  const before = answered
  for (let round = 0; round < 20; round += 1) {
    expect(await lanes.run(other, innocent)).toEqual({ kind: 'answered', problem: null })
  }
  expect(answered - before).toBeLessThan(10)
  await Promise.all(checks)
}, 60_000)
