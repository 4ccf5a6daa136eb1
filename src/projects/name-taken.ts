import { UniqueConstraintViolationException } from '@mikro-orm/postgresql'
import type { Outcome } from '../kernel/outcome.ts'

/**
 * Turns the violation of a unique name into its outcome. The constraint decides and no look before it, so that of two
 * who race for a name exactly one gets it.
 */
export async function orNameTaken<Value>(
  given: { readonly name: string | null | undefined; readonly constraint: string },
  work: () => Promise<Outcome<Value>>,
): Promise<Outcome<Value>> {
  try {
    return await work()
  } catch (error) {
    const isTaken = error instanceof UniqueConstraintViolationException && constraintOf(error) === given.constraint
    if (!isTaken) throw error
    return { kind: 'name-taken', name: given.name ?? '', path: ['input', 'name'] }
  }
}

// MikroORM copies what the driver told onto its own error.
function constraintOf(error: object): unknown {
  return 'constraint' in error ? error.constraint : undefined
}
