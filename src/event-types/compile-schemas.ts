import { createSchemaProcess, type SchemaProcess } from './schema-process.ts'

/** What all schemas of one call may take together. */
const totalLimitMs = 10_000

let turn: Promise<unknown> = Promise.resolve()

/**
 * Whether these schemas compile. In a process of its own, which ends with the call: what is registered does not hold up
 * the events that are checked meanwhile. Calls take turns, so that many of them take no more than one core.
 *
 * @param schemas JSON texts.
 * @returns for each what is wrong with it, or null.
 */
export async function compileSchemas(schemas: readonly string[]): Promise<(string | null)[]> {
  if (schemas.length === 0) return []
  const compiling = turn.then(async () => {
    const checker = createSchemaProcess()
    try {
      return await compileAll(checker, schemas)
    } finally {
      await checker.close()
    }
  })
  turn = compiling.catch(() => undefined)
  return await compiling
}

async function compileAll(checker: SchemaProcess, schemas: readonly string[]): Promise<(string | null)[]> {
  const endMs = performance.now() + totalLimitMs
  const problems: (string | null)[] = []
  for (const schema of schemas) {
    problems.push(
      performance.now() < endMs ? await compileOne(checker, schema) : 'The schemas before this took too long.',
    )
  }
  return problems
}

async function compileOne(checker: SchemaProcess, schema: string): Promise<string | null> {
  const outcome = await checker.run('registration', { kind: 'compile', schema })
  switch (outcome.kind) {
    case 'answered':
      return outcome.problem
    case 'too-long':
      return 'The schema takes too long to compile.'
    case 'crashed':
      return 'The schema takes too much memory to compile.'
    default:
      throw new Error('schemas cannot be compiled', { cause: outcome.error })
  }
}
