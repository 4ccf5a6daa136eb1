import type { Viewer } from '../auth/viewer.ts'
import type { AnswerBudget } from './answer-budget.ts'
import type { Services } from './services.ts'

/**
 * What resolvers see of one execution: a query, a mutation, or a single event of a subscription. It is never kept
 * longer, so that what loaders remember is as fresh as the execution itself.
 */
export interface Context {
  readonly viewer: Viewer
  readonly services: Services
  readonly budget: AnswerBudget
}
