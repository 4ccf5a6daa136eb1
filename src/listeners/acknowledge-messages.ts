import type { Viewer } from '../auth/viewer.ts'
import type { Sql } from '../db/sql.ts'
import { isId, type ListenerId } from '../kernel/ids.ts'
import { done, type Issue, type Outcome, type UserFailure } from '../kernel/outcome.ts'
import { unreachable } from '../kernel/unreachable.ts'
import { decodeCursor } from '../live/cursor.ts'
import { issue } from '../projects/input-checks.ts'
import type { Listener, LogPosition } from './listener.ts'
import type { ListenerLeases } from './listener-leases.ts'
import type { ListenerMeters } from './listener-meters.ts'
import { type ListenerStore, mayListen } from './listener-store.ts'

export interface AcknowledgeDeps {
  readonly sql: Sql
  readonly listeners: Pick<ListenerStore, 'byIds'>
  readonly leases: Pick<ListenerLeases, 'sentTo'>
  readonly meters: Pick<ListenerMeters, 'acknowledged'>
}

export interface AcknowledgeInput {
  readonly listenerId: string
  readonly cursor: string
  /** Of the stream that sent it; null for readers without one, who are refused while a stream holds the listener. */
  readonly lease?: string | null | undefined
}

/**
 * Moves a listener of the viewer's key on. An earlier place than the present one changes nothing, nor does one of a
 * history that was lost with a restored backup.
 *
 * What was sent is known to the process whose stream holds the listener: there a later place is refused. Other
 * processes, and those after a crash, know the end of the source's log, and refuse what lies beyond it.
 */
export async function acknowledgeMessages(
  deps: AcknowledgeDeps,
  viewer: Viewer,
  input: AcknowledgeInput,
): Promise<Outcome<Listener>> {
  const outcome = await move(deps, viewer, input)
  deps.meters.acknowledged(outcome.kind === 'done')
  return outcome
}

async function move(deps: AcknowledgeDeps, viewer: Viewer, input: AcknowledgeInput): Promise<Outcome<Listener>> {
  const { listenerId, lease = null } = input
  const [listener] = isId('lsn', listenerId) ? await deps.listeners.byIds(viewer, [listenerId]) : []
  if (listener === undefined || listener.apiKeyId !== viewer.keyId) return notFound(listenerId)
  const place = decodeCursor(input.cursor)
  if (place === null || place.projectId !== viewer.projectId || place.sourceId !== listener.sourceId) return foreign
  if (isPast(place, lease === null ? null : deps.leases.sentTo(lease))) return notSent
  const verdict = await moveRow(deps, [listener.id, place.logEpoch, place.sequence, lease])
  if (verdict === null) return notFound(listenerId)
  return verdict === 'moved' ? await reloaded(deps, viewer, listener.id) : failureOf(verdict)
}

/** @returns null when the listener is gone. */
async function moveRow({ sql }: AcknowledgeDeps, values: readonly unknown[]): Promise<Verdict | null> {
  const [row] = await sql.query<{ verdict: Verdict | 'beyond' }>(moveText, [...values, false], 'listener-acknowledge')
  if (row?.verdict !== 'beyond') return row?.verdict ?? null
  // Either the log was restored, or its end was read before the wait for the lock, and has moved since: look again.
  const [again] = await sql.query<{ verdict: Verdict }>(moveText, [...values, true], 'listener-acknowledge')
  return again?.verdict ?? null
}

function isPast(place: LogPosition, sent: LogPosition | null): boolean {
  return sent !== null && place.logEpoch === sent.logEpoch && place.sequence > sent.sequence
}

async function reloaded({ listeners }: AcknowledgeDeps, viewer: Viewer, id: ListenerId): Promise<Outcome<Listener>> {
  const [listener] = await listeners.byIds(viewer, [id])
  return listener === undefined ? notFound(id) : done(listener)
}

type Verdict = 'moved' | 'disconnected' | 'lease-lost' | 'not-sent'

function failureOf(verdict: Exclude<Verdict, 'moved'>): UserFailure {
  const path = ['input', 'listenerId']
  switch (verdict) {
    case 'not-sent':
      return notSent
    case 'lease-lost':
      return { kind: 'state-conflict', code: 'LEASE_LOST', message: 'Another reader holds the listener now.', path }
    case 'disconnected':
      return { kind: 'state-conflict', message: 'The listener is disconnected: its key may not use the source.', path }
    default:
      return unreachable(verdict)
  }
}

function notFound(id: string): UserFailure {
  return { kind: 'not-found', id, path: ['input', 'listenerId'] }
}

const foreign = wrongCursor('MALFORMED', "This is no cursor of the listener's source.")
const notSent = wrongCursor('OUT_OF_RANGE', 'This place was not sent yet.')

function wrongCursor(code: Issue['code'], message: string): UserFailure {
  return { kind: 'invalid', issues: [issue(code, ['input', 'cursor'], message)] }
}

// The listener's row is locked before the verdict, so that of an acknowledgement and a stream that takes the listener
// one comes after the other: either the stream begins after the acknowledged place, or its lease has won. The log's end
// is as old as the statement, though, and an acknowledged place behind it counts only once it was seen twice ($5).
// Indexes: listeners_pkey, api_keys_pkey, source_heads_pkey.
const moveText = `
  with found as materialized (
    select l.id, h.log_epoch, h.last_sequence,
           case when not ${mayListen} then 'disconnected'
                when $4::text is null and l.lease_expires_at > now() then 'lease-lost'
                when $4::text is not null and l.lease is distinct from $4::text then 'lease-lost'
                when $2::text = h.log_epoch and $3::bigint > h.last_sequence then 'not-sent'
                when not $5::bool and l.log_epoch = h.log_epoch and l.acknowledged_sequence > h.last_sequence
                     then 'beyond'
                else 'moved'
           end as verdict
      from listeners as l
      join api_keys as k on k.id = l.api_key_id
      join source_heads as h on h.source_id = l.source_id
     where l.id = $1::text
       for no key update of l
  ), moved as (
    update listeners as l
       set acknowledged_sequence =
             case when $2::text <> f.log_epoch then l.acknowledged_sequence
                  when l.log_epoch <> f.log_epoch or l.acknowledged_sequence > f.last_sequence then $3::bigint
                  else greatest(l.acknowledged_sequence, $3::bigint)
             end,
           log_epoch = case when $2::text = f.log_epoch then f.log_epoch else l.log_epoch end,
           last_seen_at = now()
      from found as f
     where l.id = f.id
       and f.verdict = 'moved'
  )
  select f.verdict from found as f`
