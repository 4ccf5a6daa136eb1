import type { UserFailure } from '../kernel/outcome.ts'
import { unreachable } from '../kernel/unreachable.ts'

/** Says to a person at a terminal why an operation changed nothing. */
export function describeFailure(failure: UserFailure): string {
  switch (failure.kind) {
    case 'invalid':
      return failure.issues
        .map(({ path, message }) => `${path.filter((part) => part !== 'input').join('.')}: ${message}`)
        .join('\n')
    case 'not-found':
      return `There is no "${failure.id}".`
    case 'name-taken':
      return `The name "${failure.name}" is taken.`
    case 'limit-reached':
      return `There can be ${failure.limit} of these at most.`
    case 'state-conflict':
      return failure.message
    default:
      return unreachable(failure)
  }
}
