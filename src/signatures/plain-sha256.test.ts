import { createSecretKey } from 'node:crypto'
import { expect, test } from 'vitest'
import { signPlain } from './plain-sha256.ts'

test('the plain form is the HMAC of the body with the text of the secret', () => {
  // GitHub's published vector: the same form under another header's name.
  const key = createSecretKey(Buffer.from("It's a Secret to Everybody"))
  expect(signPlain(key, Buffer.from('Hello, World!'))).toBe(
    'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17',
  )
})
