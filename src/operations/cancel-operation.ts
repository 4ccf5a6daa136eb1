import type { Reach } from '../auth/viewer.ts'
import type { Orm } from '../db/orm.ts'
import { inTransaction } from '../db/transaction.ts'
import { isId } from '../kernel/ids.ts'
import { done, type Outcome, type UserFailure } from '../kernel/outcome.ts'
import type { Bus } from '../live/bus.ts'
import type { Operation } from './operation.ts'
import { createOperationNotices } from './operation-notices.ts'
import { isWithinReach, type OperationRow, operationColumns, operationOf } from './operation-rows.ts'

const path = ['input', 'id']

/** Calls an operation off: the step under way still ends, what is done stays done. Twice is no error. */
export async function cancelOperation(
  deps: { readonly orm: Orm; readonly bus: Pick<Bus, 'publish'> },
  reach: Reach,
  { id }: { readonly id: string },
): Promise<Outcome<Operation>> {
  if (!isId('opr', id)) return notFound(id)
  const sourceIds = reach.sourceIds === null ? null : [...reach.sourceIds]
  const values = [reach.projectId, sourceIds, id]
  const outcome = await inTransaction(deps.orm, async ({ sql }): Promise<Outcome<Operation>> => {
    const [before] = await sql.query<OperationRow>(lockText, values)
    if (before === undefined) return notFound(id)
    if (before.status === 'canceled') return done(operationOf(before))
    if (before.status !== 'running') {
      return { kind: 'state-conflict', message: `The operation is ${before.status} already.`, path }
    }
    const [after] = await sql.query<OperationRow>(cancelText, [id])
    return after === undefined ? notFound(id) : done(operationOf(after))
  })
  if (outcome.kind === 'done') createOperationNotices(deps.bus).ended(outcome.value)
  return outcome
}

function notFound(id: string): UserFailure {
  return { kind: 'not-found', id, path }
}

const lockText = `
  select ${operationColumns}
    from operations as o
   where ${isWithinReach}
     and o.id = $3::text
     for update`

const cancelText = `
  update operations as o
     set status = 'canceled', finished_at = now(), updated_at = now()
   where o.id = $1::text
  returning ${operationColumns}`
