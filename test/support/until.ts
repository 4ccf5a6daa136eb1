import { isDeepStrictEqual } from 'node:util'

/**
 * Waits for a state, never for a duration: asks again until the answer equals what is expected.
 *
 * @throws with the last answer when it takes longer than `timeoutMs`.
 */
export async function until<Value>(
  ask: () => Value | Promise<Value>,
  expected: NoInfer<Value>,
  { timeoutMs = 30_000, everyMs = 20 }: { timeoutMs?: number; everyMs?: number } = {},
): Promise<void> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const answer = await ask()
    if (isDeepStrictEqual(answer, expected)) return
    if (Date.now() > deadline)
      throw new Error(`waited ${timeoutMs} ms for ${JSON.stringify(expected)}, last saw ${JSON.stringify(answer)}`)
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
}
