import { expect, test } from 'vitest'
import { createSchemaChecker } from './schema-checker.ts'

const answer = createSchemaChecker()

function check(schema: unknown, data: string | Buffer): string | null {
  const text = JSON.stringify(schema)
  return answer({ kind: 'check', key: text, schema: text, data: Buffer.from(data) })
}

function compile(schema: unknown): string | null {
  return answer({ kind: 'compile', schema: JSON.stringify(schema) })
}

test.each([
  [{ properties: { price: { type: 'number' } } }, '{"price":"1"}', '/price must be number'],
  [{ type: 'object' }, '[]', 'the data must be object'],
  [{ required: ['id'] }, '{}', "the data must have required property 'id'"],
  [{ required: ['toString'] }, '{}', "the data must have required property 'toString'"],
  [{ properties: {}, additionalProperties: false }, '{"a":1}', 'the data must NOT have additional properties: "a"'],
  [{ properties: { a: {} }, unevaluatedProperties: false }, '{"b":1}', /must NOT have unevaluated properties: "b"$/],
  [
    { properties: { c: { enum: ['EUR', 'USD'] } } },
    '{"c":"?"}',
    '/c must be equal to one of the allowed values: ["EUR","USD"]',
  ],
  [
    { properties: { a: { anyOf: [{ type: 'string' }, { type: 'number' }] } } },
    '{"a":true}',
    '/a must match a schema in anyOf',
  ],
  [{ format: 'date-time' }, '"yesterday"', 'the data must match format "date-time"'],
  [false, '1', 'the data boolean schema is false'],
])('what breaks the schema %j is named', (schema, data, expected) => {
  expect(check(schema, data)).toEqual(typeof expected === 'string' ? expected : expect.stringMatching(expected))
})

test.each(['', '{', 'a=1', '\ufeff{}', Buffer.from([0x22, 0xff, 0x22])])(
  'data that is not JSON, %j, violates',
  (data) => {
    expect(check(true, data)).toBe('the data is not JSON')
  },
)

test('a key named __proto__ is a key like any other', () => {
  const schema = { additionalProperties: { type: 'number' } }
  expect(check(schema, '{"__proto__":{"a":1}}')).toBe('/__proto__ must be number')
})

test('what is told of the data can be stored and printed, whatever the data holds', () => {
  const told = check({ additionalProperties: false }, '{"\\u0000\\ud800\\n":1}') ?? ''
  expect(told).toBe('the data must NOT have additional properties: "\\u0000\\ud800\\n"')
  const path = check({ additionalProperties: { type: 'number' } }, '{"\\u0000\\ud800\\n":"1"}') ?? ''
  expect(path).toBe('/?\ufffd? must be number')
  const long = check({ additionalProperties: { type: 'number' } }, `{"${'\u{1f600}'.repeat(400)}":""}`) ?? ''
  expect(long).toHaveLength(500)
  expect(long.isWellFormed()).toBe(true)
})

test.each([
  [{ type: 'objct' }, /^The schema is not valid: \/type must/],
  [{ $ref: 'https://example.com/other.json' }, /can't resolve reference https:\/\/example.com\/other.json/],
  [{ $ref: '#/$defs/none' }, /can't resolve reference #\/\$defs\/none/],
  [{ $async: true }, /unknown keyword: "\$async"/],
  [{ $ref: '#/$defs/a', $defs: { a: { $async: true } } }, /unknown keyword: "\$async"/],
  [{ type: 'string', nullable: true }, /unknown keyword: "nullable"/],
  [{ 'x-own': 1 }, /unknown keyword: "x-own"/],
  [{ formatMinimum: '1' }, /unknown keyword: "formatMinimum"/],
  [{ format: 'own' }, /unknown format "own"/],
  [{ pattern: '(' }, /Invalid regular expression/],
  [{ items: [{ type: 'string' }] }, /\/items must be object,boolean/],
])('the schema %j does not compile, and it is said why', (schema, expected) => {
  expect(compile(schema)).toMatch(expected)
})

test.each([
  true,
  {},
  { $schema: 'https://json-schema.org/draft/2020-12/schema', title: 'A', examples: [1], deprecated: true },
  { prefixItems: [{ type: 'string' }], items: false, dependentRequired: { a: ['b'] }, unevaluatedProperties: false },
  { contentEncoding: 'base64', contentMediaType: 'application/json', contentSchema: {}, $comment: 'a', readOnly: true },
  { contains: {}, minContains: 1, maxContains: 2, propertyNames: { maxLength: 3 }, if: {}, else: {} },
  {
    dependentSchemas: { a: {} },
    patternProperties: { '^a': {} },
    minProperties: 1,
    unevaluatedItems: false,
    default: 1,
  },
  { $id: 'https://example.com/a', $defs: { b: { $anchor: 'b' } }, $ref: '#b' },
])('the schema %j compiles', (schema) => {
  expect(compile(schema)).toBeNull()
})

test('the ids that one schema gives are unknown to another', () => {
  const $id = 'https://example.com/price'
  expect(check({ $id, type: 'number' }, '1')).toBeNull()
  expect(check({ $id, type: 'string' }, '"a"')).toBeNull()
  expect(check({ $ref: $id }, '1')).toMatch(/^the schema does not compile: can't resolve reference/)
})

test('thousands of schemas in turn are checked without keeping them all', () => {
  for (let round = 0; round < 2; round += 1) {
    for (let count = 0; count < 1_200; count += 1) expect(check({ const: count }, `${count}`)).toBeNull()
  }
})
