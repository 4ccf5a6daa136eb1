import { seesSource, type Viewer } from '../auth/viewer.ts'
import type { Orm } from '../db/orm.ts'
import type { Sql } from '../db/sql.ts'
import { inTransaction } from '../db/transaction.ts'
import { isId, type ListenerId, newId, type SourceId } from '../kernel/ids.ts'
import { done, type Issue, invalid, type Outcome, type UserFailure } from '../kernel/outcome.ts'
import type { MessageStore } from '../messages/index.ts'
import { checkText, issue } from '../projects/input-checks.ts'
import type { Listener } from './listener.ts'
import type { ListenerStore } from './listener-store.ts'

export interface CreateListenerDeps {
  readonly orm: Orm
  readonly messages: Pick<MessageStore, 'firstSequenceSince'>
  readonly listeners: Pick<ListenerStore, 'byIds'>
}

export interface CreateListenerInput {
  readonly sourceId: string
  /** 1 to 100 characters, unique for the key; neither `.` nor `..`. */
  readonly name: string
  /** Begins with the first message received at or after this time; null: with the next to come. */
  readonly since?: Date | null | undefined
}

/** A key serves one program: so many places of its own are plenty. */
const maxListeners = 1_000

/** Clocks of clients may go before ours by so much. */
const maxAheadMs = 60_000

/** Creates a listener of the viewer's key. */
export async function createListener(
  deps: CreateListenerDeps,
  viewer: Viewer,
  input: CreateListenerInput,
): Promise<Outcome<Listener>> {
  const failure = invalid([...checkName(input.name), ...checkSince(input.since ?? null)])
  if (failure !== null) return failure
  const { sourceId, name, since } = input
  if (!isId('src', sourceId) || !seesSource(viewer, sourceId)) return sourceNotFound(sourceId)
  const first = since ? await deps.messages.firstSequenceSince(sourceId, since) : null
  const id = newId('lsn')
  const refused = await inTransaction(deps.orm, ({ sql }) => insert(sql, viewer, { id, sourceId, name, first }))
  if (refused !== null) return refused
  const [listener] = await deps.listeners.byIds(viewer, [id])
  return listener === undefined ? sourceNotFound(sourceId) : done(listener)
}

function checkName(name: string): Issue[] {
  const path = ['input', 'name']
  // They mean something else in a URL's path, however they are escaped.
  if (name === '.' || name === '..') return [issue('MALFORMED', path, 'A name is neither `.` nor `..`.')]
  return checkText(name, path, { min: 1, max: 100 })
}

function checkSince(since: Date | null): Issue[] {
  if (since === null || since.getTime() <= Date.now() + maxAheadMs) return []
  return [issue('OUT_OF_RANGE', ['input', 'since'], 'This time lies in the future.')]
}

interface NewListener {
  readonly id: ListenerId
  readonly sourceId: SourceId
  readonly name: string
  /** The sequence that it begins with; null: the one to come. */
  readonly first: number | null
}

/** @returns why nothing was inserted; null when it was. */
async function insert(
  sql: Sql,
  viewer: Viewer,
  { id, sourceId, name, first }: NewListener,
): Promise<UserFailure | null> {
  // Those who create listeners of one key take turns, so that the count still holds at the commit.
  await sql.query(`select k.id from api_keys as k where k.id = $1::text for no key update`, [viewer.keyId])
  const [found] = await sql.query<FoundRow>(foundText, [viewer.projectId, viewer.keyId, sourceId, name])
  if (found === undefined) return sourceNotFound(sourceId)
  if (found.is_taken) return { kind: 'name-taken', name, path: ['input', 'name'] }
  if (found.count >= maxListeners) return { kind: 'limit-reached', limit: maxListeners, path: ['input'] }
  await sql.query(insertText, [id, viewer.projectId, viewer.keyId, sourceId, name, first])
  return null
}

function sourceNotFound(id: string): UserFailure {
  return { kind: 'not-found', id, path: ['input', 'sourceId'] }
}

interface FoundRow {
  count: number
  is_taken: boolean
}

// The source's row is kept from being deleted meanwhile. Indexes: sources_pkey, listeners_api_key_id_name_unique.
const foundText = `
  select (select count(*) from listeners as l where l.api_key_id = $2::text) as count,
         exists (select from listeners as l where l.api_key_id = $2::text and l.name = $4::text) as is_taken
    from sources as s
   where s.id = $3::text
     and s.project_id = $1::text
     for key share`

const insertText = `
  insert into listeners (id, project_id, api_key_id, source_id, name, log_epoch, acknowledged_sequence, created_at)
  select $1::text, $2::text, $3::text, h.source_id, $5::text, h.log_epoch,
         least(coalesce($6::bigint - 1, h.last_sequence), h.last_sequence), now()
    from source_heads as h
   where h.source_id = $4::text`
