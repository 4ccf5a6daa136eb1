import { createSecretKey } from 'node:crypto'
import { createRequire } from 'node:module'
import { sign, verify } from '@octokit/webhooks-methods'
import { expect, test } from 'vitest'
import { verifyGithub } from './github.ts'

// The package's types describe a default export that its JSON does not have.
const examples: { examples: object[] }[] = createRequire(import.meta.url)('@octokit/webhooks-examples')

const SECRET = "It's a Secret to Everybody"
const BODY = Buffer.from('Hello, World!')
const HEX = '757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17'

test("GitHub's published vector is valid", () => {
  expect(verifyGithub({ header: `sha256=${HEX}`, body: BODY, secrets: [SECRET] })).toBe('valid')
  expect(verifyGithub({ header: `sha256=${HEX.toUpperCase()}`, body: BODY, secrets: [SECRET] })).toBe('valid')
  const key = createSecretKey(Buffer.from(SECRET))
  expect(verifyGithub({ header: `sha256=${HEX}`, body: BODY, secrets: [key] })).toBe('valid')
})

test("what GitHub's own library signs is valid, for real payloads", async () => {
  const payloads = examples.slice(0, 10).flatMap((event) => event.examples.slice(0, 2))
  expect(payloads.length).toBeGreaterThan(10)
  for (const payload of payloads) {
    const text = JSON.stringify(payload)
    const header = await sign(SECRET, text)
    expect(verifyGithub({ header, body: Buffer.from(text), secrets: [SECRET] })).toBe('valid')
    const tampered = `${text} `
    expect(await verify(SECRET, tampered, header)).toBe(false)
    expect(verifyGithub({ header, body: Buffer.from(tampered), secrets: [SECRET] })).toBe('mismatch')
  }
})

test('every active secret is tried while secrets rotate', () => {
  const header = `sha256=${HEX}`
  expect(verifyGithub({ header, body: BODY, secrets: ['new', SECRET] })).toBe('valid')
  expect(verifyGithub({ header, body: BODY, secrets: ['new', 'newer'] })).toBe('mismatch')
  expect(verifyGithub({ header, body: BODY, secrets: [] })).toBe('mismatch')
})

test('a request without a signature says so', () => {
  expect(verifyGithub({ header: undefined, body: BODY, secrets: [SECRET] })).toBe('missing')
  expect(verifyGithub({ header: '', body: BODY, secrets: [SECRET] })).toBe('missing')
})

test.each([
  HEX,
  `sha1=${HEX}`,
  'sha256=',
  `sha256=${HEX.slice(2)}`,
  `sha256=${HEX}00`,
  `sha256=${HEX.slice(0, 62)}zz`,
  `sha256=${HEX}\n`,
  `sha256=${HEX}, sha256=${HEX}`,
])('the malformed signature %j is told apart from a wrong one', (header) => {
  expect(verifyGithub({ header, body: BODY, secrets: [SECRET] })).toBe('malformed')
})
