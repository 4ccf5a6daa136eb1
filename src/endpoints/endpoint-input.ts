import { checkSourceIds, keptSourceIds } from '../auth/source-limit.ts'
import type { Reach } from '../auth/viewer.ts'
import type { Sql } from '../db/sql.ts'
import type { EndpointId } from '../kernel/ids.ts'
import type { Issue } from '../kernel/outcome.ts'
import { checkMessageFilter, type MessageFilter } from '../messages/message-filter-input.ts'
import { type AddressGuard, checkUrl } from '../outbound/address-guard.ts'
import { checkNotNull, checkText, checkWholeNumber, issue } from '../projects/input-checks.ts'
import { checkRateLimit, type RateLimit } from '../projects/limits.ts'
import type { Sealer } from '../secrets/index.ts'
import type { HeaderInput } from '../sources/accepted-response.ts'
import type { Endpoint, EndpointMethod, PayloadFormat } from './endpoint.entity.ts'
import {
  type AuthenticationInput,
  authenticationHeaderName,
  checkAuthentication,
  type StoredAuthentication,
  sealAuthentication,
} from './endpoint-authentication.ts'
import { checkHeaders, sealHeaders } from './endpoint-headers.ts'
import { checkRetryPolicy, type RetryPolicyInput, storedPolicy } from './retry-policy.ts'
import { filterText } from './stored-filter.ts'

/** The fields that clients choose. Undefined: not given. Null: refused, but where it says otherwise. */
export interface EndpointInput {
  /** http or https, at most 2,048 characters. */
  readonly url?: string | null | undefined
  /** At most 500 characters; null is none. */
  readonly description?: string | null | undefined
  /** At most 100; null is all of the project, also later ones. */
  readonly sourceIds?: readonly string[] | null | undefined
  /** At most 10, of 1 to 64 characters. */
  readonly labels?: readonly string[] | null | undefined
  /** POST, PUT or PATCH. */
  readonly method?: string | null | undefined
  /** Null is all messages. */
  readonly filter?: MessageFilter | null | undefined
  readonly payloadFormat?: PayloadFormat | null | undefined
  /** At most 50. */
  readonly headers?: readonly HeaderInput[] | null | undefined
  /** Null is none. */
  readonly authentication?: AuthenticationInput | null | undefined
  /** Null is the default one. */
  readonly retryPolicy?: RetryPolicyInput | null | undefined
  /** 1,000 to 60,000. */
  readonly timeoutMs?: number | null | undefined
  /** Null is unlimited. */
  readonly rateLimit?: RateLimit | null | undefined
  /** 1 to 1,000; null is unlimited. */
  readonly maxConcurrency?: number | null | undefined
  readonly isOrdered?: boolean | null | undefined
  /** 1 to 720; null is never. */
  readonly disableAfterHours?: number | null | undefined
}

interface Context {
  readonly sql: Sql
  readonly reach: Reach
  readonly guard: AddressGuard
}

/** What the endpoint is already, where it is changed. */
export type EndpointBefore = Pick<Endpoint, 'headerNames'> & StoredAuthentication

const maxDescriptionCharacters = 500
const maxLabels = 10
const labelBounds = { min: 1, max: 64 } as const
const methods: readonly EndpointMethod[] = ['POST', 'PUT', 'PATCH']
/** Fan-out reads the filters of all endpoints of a project, which may have 10,000. */
const maxFilterCharacters = 16_384
const timeoutBoundsMs = { min: 1_000, max: 60_000 }
const concurrencyBounds = { min: 1, max: 1_000 }
const disableBoundsHours = { min: 1, max: 720 }

/**
 * Checks the fields that were given.
 *
 * @returns with the issues, the URL in its normal form; undefined when it was not given or not accepted.
 */
export async function checkEndpointInput(
  { sql, reach, guard }: Context,
  input: EndpointInput,
  before: EndpointBefore | null,
): Promise<{ issues: Issue[]; url: string | undefined }> {
  const url = checkEndpointUrl(input.url, guard)
  const { description, sourceIds, timeoutMs, maxConcurrency, disableAfterHours, retryPolicy } = input
  const issues = [
    ...url.issues,
    ...(description ? checkText(description, ['input', 'description'], { min: 0, max: maxDescriptionCharacters }) : []),
    ...(sourceIds === undefined ? [] : await checkSourceIds(sql, reach, sourceIds)),
    ...checkLabels(input.labels),
    ...checkMethod(input.method),
    ...checkFilter(input.filter),
    ...checkNotNull(input.payloadFormat, ['input', 'payloadFormat']),
    ...checkProof(input, before),
    ...(retryPolicy ? checkRetryPolicy(retryPolicy, ['input', 'retryPolicy']) : []),
    ...(timeoutMs === undefined ? [] : checkWholeNumber(timeoutMs, ['input', 'timeoutMs'], timeoutBoundsMs)),
    ...checkRateLimit(input.rateLimit, ['input', 'rateLimit']),
    ...checkOrNull(maxConcurrency, ['input', 'maxConcurrency'], concurrencyBounds),
    ...checkNotNull(input.isOrdered, ['input', 'isOrdered']),
    ...checkOrNull(disableAfterHours, ['input', 'disableAfterHours'], disableBoundsHours),
  ]
  return { issues, url: url.url }
}

function checkEndpointUrl(
  text: string | null | undefined,
  guard: AddressGuard,
): { issues: Issue[]; url: string | undefined } {
  const path = ['input', 'url']
  const refuse = (found: Issue[]) => ({ issues: found, url: undefined })
  if (text === undefined) return refuse([])
  if (text === null || text === '') return refuse([issue('REQUIRED', path, 'A URL is needed.')])
  // A URL's parser would escape or drop these without a word.
  const textIssues = checkText(text, path, { min: 1, max: Number.MAX_SAFE_INTEGER })
  if (textIssues.length > 0) return refuse(textIssues)
  const verdict = checkUrl(text, guard)
  return verdict.ok ? { issues: [], url: verdict.url } : refuse([issue(verdict.code, path, verdict.message)])
}

function checkLabels(labels: readonly string[] | null | undefined): Issue[] {
  const path = ['input', 'labels']
  if (labels === undefined || labels === null) return checkNotNull(labels, path)
  if (labels.length > maxLabels) return [issue('OUT_OF_RANGE', path, `At most ${maxLabels} labels are possible.`)]
  return labels.flatMap((label, position) => checkText(label, [...path, `${position}`], labelBounds))
}

function checkMethod(method: string | null | undefined): Issue[] {
  const path = ['input', 'method']
  if (method === undefined || method === null) return checkNotNull(method, path)
  if (isEndpointMethod(method)) return []
  return [issue('OUT_OF_RANGE', path, `Deliveries are sent by ${methods.join(', ')}.`)]
}

function isEndpointMethod(method: string): method is EndpointMethod {
  return methods.some((known) => known === method)
}

function checkFilter(filter: MessageFilter | null | undefined): Issue[] {
  const path = ['input', 'filter']
  if (!filter) return []
  const issues = checkMessageFilter(filter, path)
  if (issues.length > 0 || filterText(filter).length <= maxFilterCharacters) return issues
  return [issue('OUT_OF_RANGE', path, `An endpoint's filter has at most ${maxFilterCharacters} characters as JSON.`)]
}

/** Header fields and authentication, of which one may be given and the other be there already. */
function checkProof({ headers, authentication }: EndpointInput, before: EndpointBefore | null): Issue[] {
  const headersPath = ['input', 'headers']
  const authenticationPath = ['input', 'authentication']
  const issues = [
    ...(headers ? checkHeaders(headers, headersPath) : checkNotNull(headers, headersPath)),
    ...(authentication ? checkAuthentication(authentication, authenticationPath) : []),
  ]
  if (issues.length > 0) return issues
  const names = headers?.map(({ name }) => name) ?? before?.headerNames ?? []
  const proof = authentication === undefined ? authenticationHeaderName(before ?? {}) : headerNameOf(authentication)
  const repeated = names.find((name) => name.toLowerCase() === proof?.toLowerCase())
  if (repeated === undefined) return []
  const message = `The header ${repeated} is set by the authentication, and among the header fields.`
  return [issue('MALFORMED', authentication ? authenticationPath : headersPath, message)]
}

function headerNameOf(input: AuthenticationInput | null): string | null {
  if (input === null) return null
  return input.apiKey?.header ?? 'Authorization'
}

function checkOrNull(
  value: number | null | undefined,
  path: readonly string[],
  bounds: { min: number; max: number },
): Issue[] {
  return value === null || value === undefined ? [] : checkWholeNumber(value, path, bounds)
}

/** Of an input that was checked, the fields of the endpoint's row that it chooses. */
export function chosenFields(
  sealer: Sealer,
  id: EndpointId,
  input: EndpointInput & { readonly url: string | undefined },
): Partial<Endpoint> {
  const { sourceIds, labels, method, filter, headers, authentication, retryPolicy, rateLimit } = input
  const chosen = {
    url: input.url,
    description: input.description,
    sourceIds: sourceIds === undefined ? undefined : keptSourceIds(sourceIds),
    labels: labels ? [...new Set(labels)] : undefined,
    method: method && isEndpointMethod(method) ? method : undefined,
    filter: filter ? filterText(filter) : filter,
    payloadFormat: input.payloadFormat ?? undefined,
    headerNames: headers?.map(({ name }) => name),
    sealedHeaders: headers ? sealHeaders(sealer, id, headers) : undefined,
    ...(authentication === undefined ? {} : sealAuthentication(sealer, id, authentication)),
    ...(retryPolicy === undefined ? {} : storedPolicy(retryPolicy)),
    timeoutMs: input.timeoutMs ?? undefined,
    rateLimit: rateLimit ? { count: rateLimit.count, windowMs: rateLimit.windowMs } : rateLimit,
    maxConcurrency: input.maxConcurrency,
    isOrdered: input.isOrdered ?? undefined,
    disableAfterHours: input.disableAfterHours,
  } satisfies { [Field in keyof Endpoint]?: Endpoint[Field] | undefined }
  return Object.fromEntries(Object.entries(chosen).filter(([, value]) => value !== undefined))
}
