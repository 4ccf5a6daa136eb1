import { checkSourceIds } from '../auth/source-limit.ts'
import type { Reach } from '../auth/viewer.ts'
import type { Sql } from '../db/sql.ts'
import type { Issue } from '../kernel/outcome.ts'
import { type AddressGuard, checkUrl } from '../outbound/address-guard.ts'
import { checkText, issue } from '../projects/input-checks.ts'
import { parseSecret } from '../signatures/standard-webhooks.ts'

/** The fields that clients choose. Undefined: not given. */
export interface EndpointInput {
  /** http or https, at most 2,048 characters. */
  readonly url?: string | null | undefined
  /** At most 500 characters; null is none. */
  readonly description?: string | null | undefined
  /** At most 100; null is all of the project, also later ones. */
  readonly sourceIds?: readonly string[] | null | undefined
  /** `whsec_` and the padded base64 of 24 to 64 bytes. */
  readonly secret?: string | null | undefined
}

interface Context {
  readonly sql: Sql
  readonly reach: Reach
  readonly guard: AddressGuard
}

const maxDescriptionCharacters = 500

/**
 * Checks the fields that were given.
 *
 * @returns with the issues, the URL in its normal form; undefined when it was not given or not accepted.
 */
export async function checkEndpointInput(
  { sql, reach, guard }: Context,
  input: EndpointInput,
): Promise<{ issues: Issue[]; url: string | undefined }> {
  const url = checkEndpointUrl(input.url, guard)
  const { description, sourceIds, secret } = input
  const issues = [
    ...url.issues,
    ...(description ? checkText(description, ['input', 'description'], { min: 0, max: maxDescriptionCharacters }) : []),
    ...(sourceIds === undefined ? [] : await checkSourceIds(sql, reach, sourceIds)),
    ...(secret === undefined || secret === null ? [] : checkSecret(secret)),
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

function checkSecret(secret: string): Issue[] {
  if (parseSecret(secret) !== null) return []
  const message = 'A signing secret is "whsec_" and the base64, with padding, of 24 to 64 bytes.'
  return [issue('MALFORMED', ['input', 'secret'], message)]
}
