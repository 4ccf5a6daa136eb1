import { setImmediate as turn } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { newId } from '../kernel/ids.ts'
import { createUnderWay } from './under-way.ts'

test('where time is up already there is room or not at once, without a warning on the log', async () => {
  const warnings: Error[] = []
  const note = (warning: Error) => void warnings.push(warning)
  process.on('warning', note)
  onTestFinished(() => void process.off('warning', note))
  const underWay = createUnderWay()
  expect(await underWay.room(-5)).toBe(true)
  underWay.bound(1)
  const { promise: answer, resolve } = Promise.withResolvers<void>()
  const ended = underWay.add(newId('dlv'), answer, async () => undefined)
  expect(await underWay.room(-5)).toBe(false)
  await turn()
  expect(warnings).toEqual([])
  resolve()
  await ended
  expect(await underWay.room(-5)).toBe(true)
})
