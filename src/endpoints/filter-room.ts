import type { Sql } from '../db/sql.ts'
import type { EndpointId, ProjectId } from '../kernel/ids.ts'
import type { UserFailure } from '../kernel/outcome.ts'
import type { MessageFilter } from '../messages/message-filter-input.ts'
import { filterText } from './stored-filter.ts'

/** Each step of fan-out reads the filters of all endpoints of a project, and keeps them compiled. */
export const maxFilterBytes = 4_000_000

/** @returns what to answer where all filters of the project together would become too large; null where they do not. */
export async function checkFilterRoom(
  sql: Sql,
  given: {
    readonly projectId: ProjectId
    /** Whose filter it replaces; null: a new endpoint's. */
    readonly endpointId: EndpointId | null
    readonly filter: MessageFilter | null | undefined
  },
): Promise<UserFailure | null> {
  const { projectId, endpointId, filter } = given
  if (!filter) return null
  const [row] = await sql.query<{ bytes: number }>(bytesText, [projectId, endpointId])
  const bytes = (row?.bytes ?? 0) + Buffer.byteLength(filterText(filter))
  return bytes > maxFilterBytes ? { kind: 'limit-reached', limit: maxFilterBytes, path: ['input', 'filter'] } : null
}

// The length of a column is known without reading it. Index: endpoints_project_id_id_index.
const bytesText = `
  select coalesce(sum(octet_length(e.filter)), 0)::int as bytes
    from endpoints as e
   where e.project_id = $1::text
     and e.id is distinct from $2::text`
