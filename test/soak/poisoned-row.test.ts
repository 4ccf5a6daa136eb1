import { expect, test } from 'vitest'
import { newMessage, startRecording } from '../support/recording.ts'
import { rounds, timeoutMs } from './settings.ts'

test(
  'one message that the database cannot hold, anywhere in a batch of good ones, harms itself alone',
  async () => {
    const recording = await startRecording()
    const recorder = recording.recorder({ limits: { lanes: 1 } })
    const source = await recording.newSource()
    for (let round = 0; round < rounds; round++) {
      const length = 1 + Math.floor(Math.random() * 200)
      const poisonedPlace = Math.floor(Math.random() * length)
      const messages = Array.from({ length }, (_, place) =>
        newMessage(source, place === poisonedPlace ? { eventSubject: '\u0000' } : {}),
      )
      const answers = await Promise.all(messages.map((message) => recorder.record({ message, claim: null })))
      const wrong = answers.filter(({ kind }, place) => kind !== (place === poisonedPlace ? 'unstorable' : 'recorded'))
      expect(wrong, `poisoned place ${poisonedPlace} of ${length}`).toEqual([])
    }
    const log = await recording.logOf(source)
    expect(log.map((row) => row.sequence)).toEqual(log.map((_, index) => index + 1))
    await recording.close()
  },
  timeoutMs,
)
