import { Counter, type Registry } from 'prom-client'
import type { Sql } from '../db/sql.ts'
import { CodedError } from '../kernel/coded-error.ts'
import type { ProjectId } from '../kernel/ids.ts'
import type { Logger } from '../kernel/log.ts'
import { unreachable } from '../kernel/unreachable.ts'
import type { Epochs } from '../live/epoch.ts'
import type { SchemaViolationPolicy } from './event-type.entity.ts'
import { createSchemaDirectory } from './schema-directory.ts'
import { createSchemaLanes } from './schema-lanes.ts'
import type { CheckOutcome } from './schema-process.ts'

/** Whether an event fits its type's schema, and what follows when it does not. */
export type SchemaVerdict =
  | { readonly kind: 'fits' }
  /** `detail` is for people, such as `/price must be number`: at most 500 characters, none of them a control character. */
  | { readonly kind: 'violates'; readonly policy: SchemaViolationPolicy; readonly detail: string }

/** Checks events against the schemas of the catalogue. */
export interface EventSchemas {
  /**
   * Types that are not in the catalogue, or have no schema there, fit whatever comes. A check that takes too long, or too
   * much memory, is a violation.
   *
   * @param data exactly the event's data; it must stay as it is until the verdict.
   * @throws CodedError OVERLOADED when too many checks wait and the type refuses violations; Error when the database is
   *   away.
   */
  check(projectId: ProjectId, type: string, data: Buffer): Promise<SchemaVerdict>
  /** Whether any type of the project has a schema: cheap, so that without one nothing else need be done. */
  hasAny(projectId: ProjectId): Promise<boolean>
  /** Ends the processes that check; checks that wait end as if too many waited. */
  close(): Promise<void>
}

export interface EventSchemasDeps {
  readonly sql: Sql
  readonly epochs: Pick<Epochs, 'onChange'>
  readonly log: Logger
  readonly metrics?: Registry
}

const fits: SchemaVerdict = { kind: 'fits' }

export function createEventSchemas({ sql, epochs, log, metrics }: EventSchemasDeps): EventSchemas {
  const directory = createSchemaDirectory({ sql, epochs })
  const lanes = createSchemaLanes()
  const checks = new Counter({
    name: 'hookline_event_schema_checks_total',
    help: 'Events checked against the schema of their type; outcome is `fits`, `violates`, or why there was no answer.',
    labelNames: ['outcome'],
    registers: metrics === undefined ? [] : [metrics],
  })

  async function check(projectId: ProjectId, name: string, data: Buffer): Promise<SchemaVerdict> {
    const type = (await directory.checkedTypes(projectId)).get(name)
    const schema = type === undefined ? null : await directory.schemaOf(type.id)
    if (type === undefined || schema === null) return fits
    const outcome = await lanes.run(projectId, { kind: 'check', key: schema.key, schema: schema.text, data })
    checks.inc({ outcome: labelOf(outcome) })
    if (outcome.kind !== 'answered') report(log, outcome, { projectId, eventType: name })
    return verdictOf(outcome, type.policy)
  }

  return {
    check,
    hasAny: async (projectId) => (await directory.checkedTypes(projectId)).size > 0,
    close: () => lanes.close(),
  }
}

function verdictOf(outcome: CheckOutcome, policy: SchemaViolationPolicy): SchemaVerdict {
  const violates = (detail: string): SchemaVerdict => ({ kind: 'violates', policy, detail })
  switch (outcome.kind) {
    case 'answered':
      return outcome.problem === null ? fits : violates(outcome.problem)
    case 'too-long':
      return violates('the check against the schema took too long')
    case 'crashed':
      return violates('the check against the schema took too much memory')
    case 'not-run':
      // What is only flagged is never turned away.
      if (policy === 'FLAG') return violates('not checked, because too many checks waited')
      throw new CodedError('OVERLOADED', 'Too many events wait for their check: send it again later.', {
        cause: outcome.error,
      })
    default:
      return unreachable(outcome)
  }
}

function labelOf(outcome: CheckOutcome): string {
  if (outcome.kind !== 'answered') return outcome.kind
  return outcome.problem === null ? 'fits' : 'violates'
}

function report(log: Logger, outcome: CheckOutcome, fields: { projectId: ProjectId; eventType: string }): void {
  // One of many under overload: the counter tells of those.
  if (outcome.kind !== 'not-run') log.warn({ ...fields, outcome: outcome.kind }, 'an event schema could not be checked')
  else if (outcome.error !== null) log.error({ ...fields, err: outcome.error }, 'event schemas cannot be checked')
}
