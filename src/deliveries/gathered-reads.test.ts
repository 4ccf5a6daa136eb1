import { expect, test } from 'vitest'
import { type DeliveryId, newId } from '../kernel/ids.ts'
import type { Delivery } from './delivery.ts'
import { gatherReads } from './gathered-reads.ts'

const project = newId('prj')
const [one, two, three] = [newId('dlv'), newId('dlv'), newId('dlv')]

/** Answers when told to; an id is all that there is to a delivery. */
function startReads() {
  const asked: { ids: readonly DeliveryId[]; answer: () => void; fail: (error: Error) => void }[] = []
  const read = gatherReads((_projectId, ids) => {
    const { promise, resolve, reject } = Promise.withResolvers<Delivery[]>()
    asked.push({ ids, answer: () => resolve(ids.map((id) => ({ id }) as Delivery)), fail: reject })
    return promise
  })
  const turn = () => new Promise((resolve) => setImmediate(resolve))
  return { asked, read, turn }
}

test('those who ask at the same moment are answered by one statement, each with its own', async () => {
  const { asked, read, turn } = startReads()
  const answers = [read(project, [one, two]), read(project, [two, three]), read(newId('prj'), [one])]
  await turn()
  expect(asked.map(({ ids }) => ids)).toEqual([[one, two, three], [one]])
  for (const { answer } of asked) answer()
  expect(await Promise.all(answers)).toEqual([[{ id: one }, { id: two }], [{ id: two }, { id: three }], [{ id: one }]])
})

test('who asks while a statement runs is answered by a later one, also when the first fails', async () => {
  const { asked, read, turn } = startReads()
  const first = expect(read(project, [one])).rejects.toThrow('away')
  await turn()
  const later = [read(project, [one]), read(project, [two])]
  await turn()
  expect(asked).toHaveLength(1)
  asked[0]?.fail(new Error('away'))
  await first
  await turn()
  expect(asked.map(({ ids }) => ids)).toEqual([[one], [one, two]])
  asked[1]?.answer()
  expect(await Promise.all(later)).toEqual([[{ id: one }], [{ id: two }]])
})
