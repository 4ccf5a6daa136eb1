import type { Reach } from '../auth/viewer.ts'
import type { Sql } from '../db/sql.ts'
import type { OperationId } from '../kernel/ids.ts'
import { type Page, pageOf } from '../projects/page.ts'
import type { Operation } from './operation.ts'
import { isWithinReach, type OperationRow, operationColumns, operationOf } from './operation-rows.ts'

/** All reading of operations by clients; each query is one statement and bounded. */
export interface OperationStore {
  /** Latest first; `after` is the last operation of the page before. */
  page(reach: Reach, options: { first: number; after: OperationId | null }): Promise<Page<Operation>>
  /** Those of them that the caller sees, in any order. */
  byIds(reach: Reach, ids: readonly OperationId[]): Promise<Operation[]>
}

export function createOperationStore(sql: Sql): OperationStore {
  return {
    async page(reach, { first, after }) {
      const rows = await sql.query<OperationRow>(pageText, [...valuesOf(reach), after, first + 1])
      return pageOf(rows.map(operationOf), first)
    },
    async byIds(reach, ids) {
      return (await sql.query<OperationRow>(byIdsText, [...valuesOf(reach), ids])).map(operationOf)
    },
  }
}

function valuesOf({ projectId, sourceIds }: Reach): unknown[] {
  return [projectId, sourceIds === null ? null : [...sourceIds]]
}

// Ids rise with time, so that their order is that of creation. Index: operations_project_id_id_index.
const pageText = `
  select ${operationColumns}
    from operations as o
   where ${isWithinReach}
     and ($3::text is null or o.id < $3::text)
   order by o.id desc
   limit $4::int`

// Index: operations_pkey.
const byIdsText = `
  select ${operationColumns}
    from operations as o
   where ${isWithinReach}
     and o.id = any($3::text[])`
