import { setTimeout as delay } from 'node:timers/promises'

/** One measurement: drives its target and tells what was seen. */
export type Measure<Seen> = () => Promise<Seen>

type Seen<Measures> = { [Name in keyof Measures]: Measures[Name] extends Measure<infer One> ? One[] : never }

const restMs = 200

/**
 * Measures every target once per round, in turns, each round beginning with another target: what warms up, fills or
 * disturbs the machine in the course of the bench then meets all of them alike.
 *
 * @param tell hears of each measurement before it begins.
 */
export async function measureInRounds<Measures extends Record<string, Measure<unknown>>>(
  rounds: number,
  measures: Measures,
  tell: (text: string) => void,
): Promise<Seen<Measures>> {
  const names = Object.keys(measures)
  const seen: Record<string, unknown[]> = Object.fromEntries(names.map((name) => [name, []]))
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < names.length; turn += 1) {
      const name = names[(round + turn) % names.length] ?? ''
      tell(`round ${round + 1} of ${rounds}: ${name}`)
      seen[name]?.push(await measures[name]?.())
      await delay(restMs)
    }
  }
  return seen as Seen<Measures>
}
