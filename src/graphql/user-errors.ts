import type { ErrorCode, Issue, Outcome, UserFailure } from '../kernel/outcome.ts'
import { unreachable } from '../kernel/unreachable.ts'
import { builder } from './builder.ts'

type Failure<Kind extends UserFailure['kind']> = Extract<UserFailure, { kind: Kind }>

/** What an operation of a domain gave, when it worked; payload types read from `value`. */
export type Done<Value> = Extract<Outcome<Value>, { kind: 'done' }>

const maxIssues = 100

const errorCodes = {
  REQUIRED: { description: 'A value is needed here.' },
  MALFORMED: { description: 'The value has not the form that is asked for.' },
  OUT_OF_RANGE: { description: 'The value is outside the stated bounds.' },
  URL_REFUSED: { description: 'The address is one that the outbound guard does not connect to.' },
  SCHEMA_VIOLATED: { description: 'The event breaks the JSON Schema of its type.' },
  NOT_FOUND: { description: 'There is no such object, or not in this project.' },
  NAME_TAKEN: { description: 'The name is in use.' },
  LIMIT_REACHED: { description: 'The project has as many of these as it may have.' },
  STATE_CONFLICT: { description: 'The object is not in a state that allows this.' },
  LEASE_LOST: { description: 'Another reader holds the listener now.' },
} satisfies Record<ErrorCode, { description: string }>

const ErrorCodeEnum = builder.enumType('ErrorCode', { description: 'What is wrong, for programs.', values: errorCodes })

const UserError = builder.interfaceRef<UserFailure>('UserError').implement({
  description: 'A failure that the caller can act on. Every error in a result union implements it.',
  fields: (t) => ({
    message: t.string({ description: 'A sentence for people; its wording may change.', resolve: messageOf }),
    code: t.field({
      type: ErrorCodeEnum,
      description: 'For programs; each code has a page in the documentation.',
      resolve: codeOf,
    }),
    path: t.stringList({
      description:
        'The argument or input field meant, from the outside in: `["input", "url"]`; null when it is none in particular.',
      nullable: true,
      resolve: pathOf,
    }),
  }),
})

const ValidationIssue = builder.objectRef<Issue>('ValidationIssue').implement({
  description: 'One thing that is wrong with an input.',
  fields: (t) => ({
    message: t.exposeString('message', { description: 'A sentence for people.' }),
    code: t.field({ type: ErrorCodeEnum, description: 'For programs.', resolve: (issue) => issue.code }),
    path: t.stringList({
      description: 'The input field meant, from the outside in; list positions count from 0.',
      resolve: (issue) => [...issue.path],
    }),
  }),
})

export const ValidationError = builder.objectRef<Failure<'invalid'>>('ValidationError').implement({
  description:
    'The input is not acceptable; nothing was changed. `message`, `code` and `path` are those of the first issue.',
  interfaces: [UserError],
  fields: (t) => ({
    message: t.string({ description: "The first issue's sentence.", resolve: messageOf }),
    code: t.field({ type: ErrorCodeEnum, description: "The first issue's code.", resolve: codeOf }),
    path: t.stringList({ description: "The first issue's path.", nullable: true, resolve: pathOf }),
    issues: t.field({
      type: [ValidationIssue],
      description: 'All that was found, at most 100.',
      resolve: ({ issues }) => issues.slice(0, maxIssues),
    }),
  }),
})

export const NotFoundError = builder.objectRef<Failure<'not-found'>>('NotFoundError').implement({
  description: 'The object does not exist in this project.',
  interfaces: [UserError],
  fields: (t) => ({
    message: t.string({ description: 'A sentence for people.', resolve: messageOf }),
    code: t.field({ type: ErrorCodeEnum, description: 'Always NOT_FOUND.', resolve: codeOf }),
    path: t.stringList({ description: 'The input field that held the id.', nullable: true, resolve: pathOf }),
    id: t.exposeID('id', { description: 'The id that was given.' }),
  }),
})

export const NameTakenError = builder.objectRef<Failure<'name-taken'>>('NameTakenError').implement({
  description: 'Another object of the kind has this name.',
  interfaces: [UserError],
  fields: (t) => ({
    message: t.string({ description: 'A sentence for people.', resolve: messageOf }),
    code: t.field({ type: ErrorCodeEnum, description: 'Always NAME_TAKEN.', resolve: codeOf }),
    path: t.stringList({ description: 'The input field that held the name.', nullable: true, resolve: pathOf }),
    name: t.exposeString('name', { description: 'The name that was given.' }),
  }),
})

export const LimitReachedError = builder.objectRef<Failure<'limit-reached'>>('LimitReachedError').implement({
  description: 'The project may have no more of these.',
  interfaces: [UserError],
  fields: (t) => ({
    message: t.string({ description: 'A sentence for people.', resolve: messageOf }),
    code: t.field({ type: ErrorCodeEnum, description: 'Always LIMIT_REACHED.', resolve: codeOf }),
    path: t.stringList({
      description: 'The input field meant, where there is one.',
      nullable: true,
      resolve: pathOf,
    }),
    limit: t.exposeInt('limit', { description: 'How many there may be.' }),
  }),
})

export const StateConflictError = builder.objectRef<Failure<'state-conflict'>>('StateConflictError').implement({
  description: 'The object is not in a state that allows this.',
  interfaces: [UserError],
  fields: (t) => ({
    message: t.string({ description: 'A sentence for people that names the present state.', resolve: messageOf }),
    code: t.field({ type: ErrorCodeEnum, description: 'STATE_CONFLICT or LEASE_LOST.', resolve: codeOf }),
    path: t.stringList({ description: 'The input field that held the id.', nullable: true, resolve: pathOf }),
  }),
})

/** For deletions: the id of what is gone. */
export const DeletePayload = builder.objectRef<Done<{ readonly deletedId: string }>>('DeletePayload').implement({
  description: 'The object is gone.',
  fields: (t) => ({
    deletedId: t.id({ description: 'The id that no longer exists.', resolve: ({ value }) => value.deletedId }),
  }),
})

/**
 * Narrows an operation's outcome to what its result union holds.
 *
 * @throws Error when it is another one: the schema and the operation disagree.
 */
export function resultOf<Value, Kind extends UserFailure['kind']>(
  outcome: Outcome<Value>,
  ...kinds: Kind[]
): Done<Value> | Failure<Kind> {
  if (outcome.kind === 'done' || isOneOf(outcome, kinds)) return outcome
  throw new Error(`the result union has no member for ${outcome.kind}`)
}

function isOneOf<Kind extends UserFailure['kind']>(failure: UserFailure, kinds: Kind[]): failure is Failure<Kind> {
  return kinds.some((kind) => kind === failure.kind)
}

/** A union's `resolveType`: outcomes name their kind, and the payload's name is the union's own. */
export function outcomeType(payloadName: string): (outcome: { kind: Outcome<unknown>['kind'] }) => string {
  return ({ kind }) => (kind === 'done' ? payloadName : failureTypes[kind])
}

const failureTypes: Record<UserFailure['kind'], string> = {
  invalid: 'ValidationError',
  'not-found': 'NotFoundError',
  'name-taken': 'NameTakenError',
  'limit-reached': 'LimitReachedError',
  'state-conflict': 'StateConflictError',
}

function messageOf(failure: UserFailure): string {
  switch (failure.kind) {
    case 'invalid':
      return failure.issues[0].message
    case 'not-found':
      return 'There is no such object in this project.'
    case 'name-taken':
      return 'Another object of the kind has this name.'
    case 'limit-reached':
      return `At most ${failure.limit} are possible.`
    case 'state-conflict':
      return failure.message
    default:
      return unreachable(failure)
  }
}

function codeOf(failure: UserFailure): ErrorCode {
  switch (failure.kind) {
    case 'invalid':
      return failure.issues[0].code
    case 'not-found':
      return 'NOT_FOUND'
    case 'name-taken':
      return 'NAME_TAKEN'
    case 'limit-reached':
      return 'LIMIT_REACHED'
    case 'state-conflict':
      return failure.code ?? 'STATE_CONFLICT'
    default:
      return unreachable(failure)
  }
}

function pathOf(failure: UserFailure): string[] {
  return [...(failure.kind === 'invalid' ? failure.issues[0].path : failure.path)]
}
