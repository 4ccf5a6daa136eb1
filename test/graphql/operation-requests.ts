import type { Sql } from '../../src/db/sql.ts'
import type { Source } from '../../src/sources/index.ts'
import { until } from '../support/until.ts'
import { dataOf, type Loose, type Target } from './client.ts'

const fields = 'id kind status totalCount doneCount skippedCount failureDetail finishedAt'
const errors = '... on UserError { code path message }'

/** Runs a mutation of this name. @returns its payload, or its error. */
export function mutate(target: Target, name: string, input: object): Promise<Loose> {
  const type = `${name[0]?.toUpperCase()}${name.slice(1)}Input`
  const payload = name.endsWith('Delivery')
    ? '... on DeliveryPayload { delivery { id status nextAttemptAt } }'
    : `... on OperationPayload { operation { ${fields} } }`
  const limit = /(Messages|Deliveries)$/.test(name) ? '... on LimitReachedError { limit }' : ''
  const query = `mutation ($input: ${type}!) { ${name}(input: $input) { ${payload} ${errors} ${limit} } }`
  return dataOf(target, query, { input }).then((data) => data[name])
}

/** The operation when it has ended. */
export async function ended(target: Target, id: string): Promise<Loose> {
  const look = async () => (await dataOf(target, `{ operation(id: "${id}") { ${fields} } }`)).operation
  await until(async () => (await look()).status === 'RUNNING', false)
  return await look()
}

/** Asks for a replay. @returns the operation when it has ended. */
export async function replay(target: Target, input: object): Promise<Loose> {
  const { operation } = await mutate(target, 'replayMessages', input)
  return await ended(target, operation.id)
}

export const updates = `subscription ($id: ID!) { operationUpdated(id: $id) { ${fields} } }`

/** The first 100 that match, oldest first. */
export async function deliveriesOf(target: Target, filter: object): Promise<Loose[]> {
  const query = `query ($filter: DeliveryFilter) { deliveries(filter: $filter, order: OLDEST_FIRST, first: 100) { nodes {
    id status attemptCount operation { id } message { id } } } }`
  return (await dataOf(target, query, { filter })).deliveries.nodes
}

/** Stores messages without a body as if they had been fanned out. */
export async function storeMany(sql: Sql, { id, projectId }: Source, count: number): Promise<void> {
  await sql.query(
    `insert into messages (source_id, sequence, id, project_id, received_at, method, headers, remote_address, body)
     select $1, n, 'msg_' || lpad($3 || n::text, 26, '0'), $2, now(), 'POST', '[]', '192.0.2.1', ''
       from generate_series(1, $4::int) as n`,
    [id, projectId, id.slice(-12), count],
  )
  await sql.query(`update source_heads set last_sequence = $2 where source_id = $1`, [id, count])
  await sql.query(`update fan_out_marks set fanned_out_to = $2 where source_id = $1`, [id, count])
}

export async function isFannedOut(sql: Sql, { id }: Source, sequence: number): Promise<void> {
  const text = `select fanned_out_to as reached from fan_out_marks where source_id = $1`
  await until(async () => (await sql.query<{ reached: number }>(text, [id]))[0]?.reached, sequence)
}
