import type { Reach } from '../auth/viewer.ts'
import { type ConfigurationDeps, changeConfiguration } from '../db/configuration-epoch.ts'
import type { Sql } from '../db/sql.ts'
import type { SourceId } from '../kernel/ids.ts'
import { done, type Outcome } from '../kernel/outcome.ts'
import type { TaskQueue } from '../queue/index.ts'
import { removeSecrets } from '../secrets/secret-store.ts'
import { purgeSource } from './purge-source.task.ts'
import type { Source } from './source.entity.ts'
import { findOwnSource, sourceNotFound } from './source-configuration.ts'
import { isBuiltIn } from './system-source.ts'

export interface DeleteSourceDeps extends ConfigurationDeps {
  readonly queue: Pick<TaskQueue, 'enqueue' | 'wake'>
}

/**
 * Deletes a source with its log. From the commit on nothing comes in any more; the messages, which may be many, go in
 * small steps by a task that the same transaction leaves.
 */
export async function deleteSource(
  deps: DeleteSourceDeps,
  reach: Reach,
  input: { readonly id: string },
): Promise<Outcome<{ readonly deletedId: SourceId }>> {
  const outcome = await changeConfiguration(deps, reach.projectId, async (unit) => {
    const source = await findOwnSource(unit, reach, input.id)
    if (source === null) return sourceNotFound(input.id)
    if (source.isSystem) return isBuiltIn()
    await lockListeners(unit.sql, source.id)
    await unit.em.remove(source).flush()
    await removeTraces(unit.sql, source)
    await deps.queue.enqueue(unit.sql, purgeSource, [{ payload: { sourceId: source.id } }])
    return done({ deletedId: source.id })
  })
  if (outcome.kind === 'done') deps.queue.wake(purgeSource)
  return outcome
}

// The source takes its listeners along. Streams renew the leases of many at once: both lock them in order of id.
async function lockListeners(sql: Sql, sourceId: SourceId): Promise<void> {
  await sql.query(`select from listeners where source_id = $1::text order by id for update`, [sourceId])
}

// Deleting the head waits for the recorder's transaction on it, so that no message is acknowledged after the commit.
async function removeTraces(sql: Sql, { id, projectId }: Pick<Source, 'id' | 'projectId'>): Promise<void> {
  await sql.query(`delete from source_heads where source_id = $1::text`, [id])
  await sql.query(`delete from fan_out_marks where source_id = $1::text`, [id])
  await sql.query(`delete from former_tokens where source_id = $1::text`, [id])
  await removeSecrets(sql, id)
  // A list that becomes empty stays a list: what was limited to this source must not come to mean all sources.
  for (const table of ['api_keys', 'endpoints']) {
    await sql.query(
      `update ${table}
          set source_ids = array_remove(source_ids, $2::text)
        where project_id = $1::text
          and source_ids @> array[$2::text]`,
      [projectId, id],
    )
  }
}
