// Not by the domain's index: that loads the ORM, for which `--help` would have to wait.
import { type Scope, scopes } from '../auth/scopes.ts'
import type { ListedApiKey } from '../toolbox.ts'
import { type Command, UsageError } from './command.ts'
import { expectDone, withToolbox } from './with-toolbox.ts'

export const createKey: Command = {
  name: 'keys create',
  summary: 'Create an API key and print its token, which is shown this once.',
  operands: [],
  options: {
    project: { value: '<name>', description: 'Project that the key belongs to.', isRequired: true },
    name: { value: '<name>', description: 'What the key is for.', isRequired: true },
    scopes: { value: '<a,b>', description: `Any of ${scopes.join(', ')}.`, isRequired: true },
    sources: { value: '<a,b>', description: 'Names of the only sources that it may use. Default: all.' },
    expires: { value: '<when>', description: 'A time such as 2030-01-31T12:00:00Z, or 12h, or 30d. Default: never.' },
  },
  async run({ options }, context) {
    const input = {
      project: options.project ?? '',
      name: options.name ?? '',
      scopes: parseScopes(options.scopes ?? ''),
      sources: options.sources === undefined ? null : listOf(options.sources),
      expiresAt: options.expires === undefined ? null : parseExpiry(options.expires, Date.now()),
    }
    const created = expectDone(await withToolbox(context, (toolbox) => toolbox.createApiKey(input)))
    // Standard output is the token alone, for `token=$(hookline keys create …)`.
    context.printError(`Created ${created.id}. Keep the token: it is not stored.`)
    context.print(created.token)
    return 0
  },
}

export const listKeys: Command = {
  name: 'keys list',
  summary: 'List the latest 100 API keys of a project.',
  operands: [],
  options: { project: { value: '<name>', description: 'Project to look at.', isRequired: true } },
  async run({ options }, context) {
    const keys = expectDone(await withToolbox(context, (toolbox) => toolbox.listApiKeys(options.project ?? '')))
    for (const key of keys) context.print(rowOf(key))
    return 0
  },
}

export const revokeKey: Command = {
  name: 'keys revoke',
  summary: 'End an API key for good; running gateways refuse it within a second.',
  operands: ['id'],
  options: {},
  async run({ operands }, context) {
    const id = operands.id ?? ''
    expectDone(await withToolbox(context, (toolbox) => toolbox.revokeApiKey(id)))
    context.print(`Revoked ${id}.`)
    return 0
  },
}

function parseScopes(text: string): Scope[] {
  return listOf(text).map((word) => {
    const scope = scopes.find((known) => known === word.toLowerCase())
    if (scope === undefined)
      throw new UsageError(`there is no scope "${word}", only: ${scopes.join(', ')}`, createKey.name)
    return scope
  })
}

/** @throws UsageError unless it is a moment in the future. */
function parseExpiry(text: string, nowMs: number): Date {
  const span = /^(\d{1,5})([hd])$/.exec(text)
  const hours = span === null ? 0 : Number(span[1]) * (span[2] === 'd' ? 24 : 1)
  const isTime = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d))?$/.test(text)
  const moment = span === null ? new Date(isTime ? text : Number.NaN) : new Date(nowMs + hours * 3_600_000)
  if (moment.getTime() > nowMs) return moment
  throw new UsageError(
    `--expires is "${text}": expected a time to come, such as 2030-01-31T12:00:00Z, 12h or 30d`,
    createKey.name,
  )
}

function listOf(text: string): string[] {
  return text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '')
}

function rowOf({ id, name, scopes: granted, expiresAt, revokedAt }: ListedApiKey): string {
  return [id, granted.join(','), stateOf(expiresAt ?? null, revokedAt ?? null), name].join('\t')
}

function stateOf(expiresAt: Date | null, revokedAt: Date | null): string {
  if (revokedAt !== null) return `revoked ${revokedAt.toISOString()}`
  return expiresAt === null ? 'never expires' : `expires ${expiresAt.toISOString()}`
}
