import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'

/*
 * Compiles schemas and checks data against them. Both may take for ever or all memory, since a tenant wrote the schema
 * and a sender the data: this runs in the process that schema-process.ts starts, and nowhere else.
 */

/** Whether a schema compiles, or whether data fits one. */
export type SchemaJob =
  | { readonly kind: 'compile'; readonly schema: string }
  | {
      readonly kind: 'check'
      /** Names the schema's text: the same key never comes with another one. */
      readonly key: string
      /** JSON text. */
      readonly schema: string
      readonly data: Uint8Array
    }

/** A sentence that says what is wrong; null when nothing is. */
export type SchemaAnswer = string | null

/** Compiled schemas that are kept. Their code takes about a hundred times their text. */
const maxValidators = 500
const maxValidatorCharacters = 500_000
const maxDetailCharacters = 500

export function createSchemaChecker(): (job: SchemaJob) => SchemaAnswer {
  const validators = createValidatorCache()
  return (job) => {
    const problem = job.kind === 'compile' ? compileProblem(job.schema) : dataProblem(validators, job)
    return problem === null ? null : printable(problem)
  }
}

// Compiles the rules for schemas themselves, which takes longer than most schemas do.
const rules = new Ajv2020({ logger: false })

function compileProblem(text: string): string | null {
  const schema: unknown = JSON.parse(text)
  try {
    if (typeof schema === 'object' && schema !== null && rules.validateSchema(schema) !== true) {
      return `The schema is not valid: ${describe(rules.errors ?? [], 'it')}.`
    }
    compile(schema)
    return null
  } catch (error) {
    return `The schema does not compile: ${reasonOf(error)}.`
  }
}

function dataProblem(validators: ValidatorCache, job: Extract<SchemaJob, { kind: 'check' }>): string | null {
  const parsed = parseData(job.data)
  if (parsed === null) return 'the data is not JSON'
  let validate: ValidateFunction
  try {
    validate = validators.get(job.key, job.schema)
  } catch (error) {
    return `the schema does not compile: ${reasonOf(error)}`
  }
  try {
    return validate(parsed.value) ? null : describe(validate.errors ?? [], 'the data')
  } catch (error) {
    return `the data cannot be checked: ${reasonOf(error)}`
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function parseData(data: Uint8Array): { value: unknown } | null {
  try {
    return { value: JSON.parse(utf8.decode(data)) }
  } catch {
    return null
  }
}

/**
 * An instance for each schema: the ids that one schema gives are no addresses for another, which is another tenant's.
 *
 * @throws Error for what is no keyword of JSON Schema 2020-12, for unknown formats, and for references to elsewhere.
 */
function compile(schema: unknown): ValidateFunction {
  const ajv = new Ajv2020({
    meta: false,
    validateSchema: false,
    strictTypes: false,
    strictTuples: false,
    ownProperties: true,
    logger: false,
  })
  addFormats.default(ajv, { mode: 'full', keywords: false })
  // Understood, but not known as a keyword.
  ajv.addKeyword('$anchor')
  // These two are Ajv's own.
  ajv.removeKeyword('$async')
  ajv.removeKeyword('nullable')
  return ajv.compile(typeof schema === 'boolean' ? schema : Object(schema))
}

interface ValidatorCache {
  /** @throws Error when the schema does not compile. */
  get(key: string, schema: string): ValidateFunction
}

function createValidatorCache(): ValidatorCache {
  const validators = new Map<string, { validate: ValidateFunction; characters: number }>()
  let totalCharacters = 0
  return {
    get(key, schema) {
      const known = validators.get(key)
      const entry = known ?? { validate: compile(JSON.parse(schema)), characters: schema.length }
      if (known === undefined) totalCharacters += entry.characters
      // A map lists its keys in the order of insertion: the one used longest ago comes first.
      validators.delete(key)
      validators.set(key, entry)
      for (const [oldest, { characters }] of validators) {
        if (validators.size <= 1) break
        if (validators.size <= maxValidators && totalCharacters <= maxValidatorCharacters) break
        validators.delete(oldest)
        totalCharacters -= characters
      }
      return entry.validate
    },
  }
}

/** @param whole what an error is about that has no path. */
function describe(errors: readonly ErrorObject[], whole: string): string {
  // Of alternatives the branches come before the sentence that says that none of them fits.
  const error = errors.findLast(({ keyword }) => keyword === 'anyOf' || keyword === 'oneOf') ?? errors[0]
  if (error === undefined) return `${whole} does not fit`
  const { instancePath, message = 'does not fit', params } = error
  const extra = params.additionalProperty ?? params.unevaluatedProperty ?? params.propertyName
  const allowed: unknown = params.allowedValues ?? params.allowedValue
  const addition = extra ?? allowed
  return `${instancePath || whole} ${message}${addition === undefined ? '' : `: ${JSON.stringify(addition)}`}`
}

function reasonOf(error: unknown): string {
  if (error instanceof RangeError) return 'it nests, or refers to itself, too deep'
  return error instanceof Error ? error.message.replace(/^strict mode: /, '') : 'it does not'
}

// It is stored, and written into answers and logs: no control characters, no halves of characters.
function printable(text: string): string {
  const clean = text.slice(0, maxDetailCharacters + 1).replace(/\p{Cc}/gu, '?')
  return (clean.length > maxDetailCharacters ? `${clean.slice(0, maxDetailCharacters - 1)}…` : clean).toWellFormed()
}
