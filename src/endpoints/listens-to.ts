import { isSystemSource } from '../sources/system-source.ts'

/**
 * SQL: whether an endpoint gets messages of a source. The only place that says so: who listens to all sources listens to
 * all but the built-in one.
 *
 * @param endpoint the name that a row of `endpoints` has in the query.
 * @param sourceId SQL for the source's id.
 */
export function listensTo(endpoint: string, sourceId: string): string {
  return `case when ${endpoint}.source_ids is null then not ${isSystemSource(sourceId)}
               else ${sourceId} = any(${endpoint}.source_ids) end`
}
