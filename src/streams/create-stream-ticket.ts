import type { Viewer } from '../auth/index.ts'
import { isId, type SourceId } from '../kernel/ids.ts'
import { done, invalid, type Outcome } from '../kernel/outcome.ts'
import { issue } from '../projects/input-checks.ts'
import type { SourceStore } from '../sources/index.ts'
import type { StreamTickets } from './stream-tickets.ts'

export interface TicketDeps {
  readonly sources: Pick<SourceStore, 'byIds'>
  readonly streamTickets: StreamTickets
  /** Without a slash at the end. */
  readonly publicUrl: string
}

export interface CreatedTicket {
  /** The address with the ticket in it. */
  readonly url: string
  readonly expiresAt: Date
}

const path = ['input', 'sourceIds']
const maxSources = 100

/** Makes a ticket that opens one stream of these sources, as far and as long as the viewer's key does. */
export async function createStreamTicket(
  { sources, streamTickets, publicUrl }: TicketDeps,
  viewer: Viewer,
  input: { readonly sourceIds: readonly string[] },
): Promise<Outcome<CreatedTicket>> {
  const failure = invalid(
    input.sourceIds.length >= 1 && input.sourceIds.length <= maxSources
      ? []
      : [issue(input.sourceIds.length === 0 ? 'REQUIRED' : 'OUT_OF_RANGE', path, '1 to 100 sources are needed.')],
  )
  if (failure !== null) return failure
  const ids = [...new Set(input.sourceIds)].filter((id): id is SourceId => isId('src', id))
  const found = new Set<string>((await sources.byIds(viewer, ids)).map(({ id }) => id))
  const unknown = input.sourceIds.findIndex((id) => !found.has(id))
  if (unknown !== -1) {
    return { kind: 'not-found', id: input.sourceIds[unknown] ?? '', path: [...path, `${unknown}`] }
  }
  const { text, expiresAt } = await streamTickets.create({ keyId: viewer.keyId, sourceIds: ids })
  return done({ url: `${publicUrl}/stream?ticket=${text}`, expiresAt })
}
