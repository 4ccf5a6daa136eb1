import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { checkValue, createSealer, generateMasterKey, type MasterKey, parseMasterKeys, SealError } from './index.ts'

const CONTEXT = { table: 'endpoint_secrets', rowId: 'sec_1' }
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'

function keysOf(text: string): MasterKey[] {
  const result = parseMasterKeys(text)
  if (!result.ok) throw new Error(result.problems.join('; '))
  return result.keys
}

function problemsOf(text: string): string[] {
  const result = parseMasterKeys(text)
  return result.ok ? [] : result.problems
}

function codeOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    if (error instanceof SealError) return error.code
    throw error
  }
  return 'no error'
}

test.each(['', SECRET, 'pässwörd 😀', 'x'.repeat(10_000)])('a sealed secret opens as it was', (plaintext) => {
  const sealer = createSealer(keysOf(generateMasterKey()))
  const sealed = sealer.seal(plaintext, CONTEXT)
  expect(sealer.open(sealed, CONTEXT)).toBe(plaintext)
  if (plaintext !== '') expect(sealed).not.toContain(plaintext)
})

test('equal secrets look different at rest', () => {
  const sealer = createSealer(keysOf(generateMasterKey()))
  expect(sealer.seal(SECRET, CONTEXT)).not.toBe(sealer.seal(SECRET, CONTEXT))
})

test('a sealed secret copied to another row or table does not open', () => {
  const sealer = createSealer(keysOf(generateMasterKey()))
  const sealed = sealer.seal(SECRET, CONTEXT)
  expect(codeOf(() => sealer.open(sealed, { ...CONTEXT, rowId: 'sec_2' }))).toBe('SEAL_BROKEN')
  expect(codeOf(() => sealer.open(sealed, { ...CONTEXT, table: 'sources' }))).toBe('SEAL_BROKEN')
})

test('no single changed character of a sealed secret goes unnoticed', () => {
  const keys = keysOf(`a:${Buffer.alloc(32, 1).toString('base64')},b:${Buffer.alloc(32, 1).toString('base64')}`)
  const sealer = createSealer(keys)
  const sealed = sealer.seal(SECRET, CONTEXT)
  for (const [position, character] of [...sealed].entries()) {
    const other = character === 'b' ? 'a' : 'b'
    const changed = sealed.slice(0, position) + other + sealed.slice(position + 1)
    expect(
      codeOf(() => sealer.open(changed, CONTEXT)),
      `position ${position}`,
    ).toBe('SEAL_BROKEN')
  }
})

test.each(['', 'whsec_plain', 'v1.a.b.c.d', 'v2.a.b.c.d'])('the text %j is not taken for a sealed secret', (sealed) => {
  const sealer = createSealer(keysOf(generateMasterKey()))
  expect(codeOf(() => sealer.open(sealed, CONTEXT))).toBe('SEAL_BROKEN')
})

test('after a rotation old secrets still open and new ones use the new key', () => {
  const [oldEntry, newEntry] = [generateMasterKey(), generateMasterKey()]
  const sealed = createSealer(keysOf(oldEntry)).seal(SECRET, CONTEXT)
  const rotated = createSealer(keysOf(`${newEntry}, ${oldEntry}`))
  expect(rotated.open(sealed, CONTEXT)).toBe(SECRET)
  expect(rotated.keyIds).toEqual([newEntry, oldEntry].map((entry) => entry.split(':')[0]))
  expect(rotated.seal(SECRET, CONTEXT).split('.')[1]).toBe(newEntry.split(':')[0])
})

test('a missing master key is named', () => {
  const sealed = createSealer(keysOf(`autumn:${Buffer.alloc(32, 3).toString('base64')}`)).seal(SECRET, CONTEXT)
  const sealer = createSealer(keysOf(generateMasterKey()))
  expect(codeOf(() => sealer.open(sealed, CONTEXT))).toBe('MASTER_KEY_MISSING')
  expect(() => sealer.open(sealed, CONTEXT)).toThrow('"autumn"')
})

test('another key under a known id has another check value and opens nothing', () => {
  const [right] = keysOf(`k:${Buffer.alloc(32, 1).toString('base64')}`)
  const [wrong] = keysOf(`k:${Buffer.alloc(32, 2).toString('base64')}`)
  if (right === undefined || wrong === undefined) throw new Error('no keys')
  expect(checkValue(right)).toMatch(/^[0-9a-f]{16}$/)
  expect(checkValue(right)).toBe(checkValue({ ...right, id: 'renamed' }))
  expect(checkValue(wrong)).not.toBe(checkValue(right))
  const sealed = createSealer([right]).seal(SECRET, CONTEXT)
  expect(codeOf(() => createSealer([wrong]).open(sealed, CONTEXT))).toBe('SEAL_BROKEN')
})

test('all problems of MASTER_KEYS are told at once, by position', () => {
  const key = Buffer.alloc(32, 9).toString('base64')
  expect(problemsOf(`a:${key},${key},b:${key.slice(4)},a:${key},c d:${key},`)).toEqual([
    'entry 2 is not of the form id:base64',
    'entry 3 has a key that is not the base64 of 32 bytes',
    'entry 4 repeats an earlier key id',
    'entry 5 has a key id that is not 1 to 32 of A-Z a-z 0-9 _ -',
    'entry 6 is empty',
  ])
})

test('no text about master keys shows one', () => {
  const encoded = Buffer.from('0123456789abcdef0123456789abcdef').toString('base64')
  expect(problemsOf(`${encoded}:a`).join()).not.toContain(encoded.slice(0, 8))
  const printed = inspect(keysOf(`k:${encoded}`), { depth: 9, showHidden: true })
  expect(printed).not.toContain(encoded.slice(0, 8))
  expect(printed).not.toContain('0123456789abcdef')
})

test.each([
  Buffer.alloc(31).toString('base64'),
  Buffer.alloc(33).toString('base64'),
  Buffer.alloc(32).toString('hex'),
  Buffer.alloc(32, 0xff).toString('base64url'),
  `${Buffer.alloc(32).toString('base64')}=`,
])('the key %j is refused', (encoded) => {
  expect(problemsOf(`k:${encoded}`)).toEqual(['entry 1 has a key that is not the base64 of 32 bytes'])
})
