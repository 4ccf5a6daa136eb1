import type { Viewer } from '../auth/viewer.ts'
import type { Sql } from '../db/sql.ts'
import { isId, type ListenerId } from '../kernel/ids.ts'
import { done, type Outcome } from '../kernel/outcome.ts'
import { type Bus, listenersChannel } from '../live/bus.ts'
import type { ListenerStore } from './listener-store.ts'

export interface DeleteListenerDeps {
  readonly sql: Sql
  readonly bus: Pick<Bus, 'publish'>
  readonly listeners: Pick<ListenerStore, 'byIds'>
}

/** Deletes a listener that the viewer sees; a stream that holds it ends with NOT_FOUND. */
export async function deleteListener(
  { sql, bus, listeners }: DeleteListenerDeps,
  viewer: Viewer,
  { id }: { readonly id: string },
): Promise<Outcome<{ readonly deletedId: ListenerId }>> {
  const notFound = { kind: 'not-found', id, path: ['input', 'id'] } as const
  if (!isId('lsn', id) || (await listeners.byIds(viewer, [id])).length === 0) return notFound
  const deleted = await sql.query(`delete from listeners where id = $1::text returning id`, [id])
  if (deleted.length === 0) return notFound
  bus.publish(listenersChannel(id))
  return done({ deletedId: id })
}
