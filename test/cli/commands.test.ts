import { expect, test } from 'vitest'
import type { AppFace } from '../../src/cli/app-face.ts'
import { explainError } from '../../src/cli/explain-error.ts'
import { runCli } from '../../src/cli/run-cli.ts'
import { startReport } from '../../src/cli/start-report.ts'
import { settingVariables } from '../../src/config/index.ts'
import { CodedError } from '../../src/kernel/coded-error.ts'
import { done } from '../../src/kernel/outcome.ts'
import type { NewApiKey, Toolbox } from '../../src/toolbox.ts'

/** What the commands asked of the application. */
interface Asked {
  readonly keys: NewApiKey[]
  readonly names: string[]
  closed: number
}

interface Ran {
  readonly code: number
  readonly output: string
  readonly errors: string
  readonly asked: Asked
}

async function hookline(argv: string[], replaced: Partial<Toolbox> = {}): Promise<Ran> {
  const asked: Asked = { keys: [], names: [], closed: 0 }
  const toolbox: Toolbox = {
    migrate: async () => void asked.names.push('migrate'),
    async createProject(name) {
      asked.names.push(name)
      return done({ id: 'prj_1' })
    },
    async createApiKey(input) {
      asked.keys.push(input)
      return done({ id: 'key_1', token: 'hk_token' })
    },
    listApiKeys: async (project) => ({ kind: 'not-found', id: project, path: [] }),
    async revokeApiKey(id) {
      asked.names.push(id)
      return done(null)
    },
    registerEventTypes: async (project) => ({ kind: 'not-found', id: project, path: [] }),
    listEventTypes: async (project) => ({ kind: 'not-found', id: project, path: [] }),
    countSealedValues: async () => [],
    rewrapSecrets: async () => ({ resealedCount: 0, brokenCount: 0, firstBroken: null }),
    async close() {
      asked.closed += 1
    },
    ...replaced,
  }
  const app: AppFace = {
    startApp: () => Promise.reject(new Error('not here')),
    openToolbox: async () => toolbox,
    printSchema: () => 'type Query {\n  a: Int\n}\n',
  }
  let output = ''
  let errors = ''
  const code = await runCli(argv, {
    environment: { LOG_LEVEL: 'silent' },
    loadApp: async () => app,
    print: (text) => (output += `${text}\n`),
    printError: (text) => (errors += `${text}\n`),
    isTerminal: false,
  })
  return { code, output, errors, asked }
}

test('--help lists every command and every variable', async () => {
  const { code, output } = await hookline(['--help'])
  expect(code).toBe(0)
  for (const command of [
    'serve',
    'listen',
    'login',
    'logout',
    'migrate',
    'projects create',
    'keys create',
    'keys list',
    'keys revoke',
    'event-types import',
    'event-types list',
    'secrets rewrap',
    'print-schema',
  ]) {
    expect(output).toMatch(new RegExp(`^  ${command} `, 'm'))
  }
  for (const variable of settingVariables) expect(output).toMatch(new RegExp(`^  ${variable} `, 'm'))
  expect(Math.max(...output.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100)
})

test('each command has a help of its own, and so has a group of commands', async () => {
  const { code, output } = await hookline(['keys', 'create', '--help'])
  expect(code).toBe(0)
  expect(output).toMatch(/^Usage: hookline keys create \[options\]\n/)
  expect(output).toMatch(/--project <name> .*Required\./)
  const group = await hookline(['keys', '-h'])
  expect(group.output.match(/^Usage: hookline keys (create|list|revoke)/gm)).toHaveLength(3)
})

test.each([
  [['sevre'], 'there is no command "sevre". Try: hookline --help'],
  [['keys'], '"keys" needs one of: create, list, revoke. Try: hookline keys --help'],
  [['keys', 'mint'], '"keys" knows no "mint", only: create, list, revoke. Try: hookline keys --help'],
  [['--prot', '80'], "unknown option '--prot'. Try: hookline serve --help"],
  [['migrate', 'now'], '"now" is one word too many. Try: hookline migrate --help'],
  [['projects', 'create'], '<name> must be given. Try: hookline projects create --help'],
  [['keys', 'create', '--name', 'a'], '--project, --scopes must be given. Try: hookline keys create --help'],
  [['keys', 'list', '--project'], "option '--project <value>' argument missing. Try: hookline keys list --help"],
])('%j is answered by one line with a hint, and exit code 2', async (argv, message) => {
  expect(await hookline(argv)).toMatchObject({ code: 2, output: '', errors: `hookline: ${message}\n` })
})

test('a created key’s token is all that standard output gets', async () => {
  const argv = 'keys create --project shop --name ci --scopes publish,READ --sources orders,refunds --expires 30d'
  const { code, output, errors, asked } = await hookline(argv.split(' '))
  expect([code, output]).toEqual([0, 'hk_token\n'])
  expect(errors).toContain('key_1')
  const [key] = asked.keys
  expect(key).toMatchObject({
    project: 'shop',
    name: 'ci',
    scopes: ['publish', 'read'],
    sources: ['orders', 'refunds'],
  })
  const daysAhead = ((key?.expiresAt?.getTime() ?? 0) - Date.now()) / 86_400_000
  expect(daysAhead).toBeGreaterThan(29.9)
  expect(daysAhead).toBeLessThanOrEqual(30)
  expect(asked.closed).toBe(1)
})

test('without limits a key reaches all sources and does not expire', async () => {
  const { asked } = await hookline('keys create --project shop --name ci --scopes admin'.split(' '))
  expect(asked.keys).toEqual([{ project: 'shop', name: 'ci', scopes: ['admin'], sources: null, expiresAt: null }])
})

test.each([
  ['--scopes', 'root', 'there is no scope "root", only: admin'],
  ['--expires', '2020-01-01', '--expires is "2020-01-01": expected a time to come'],
  ['--expires', '0d', '--expires is "0d"'],
  ['--expires', 'soon', '--expires is "soon"'],
])('a key with %s %s is refused before the database is opened', async (option, value, message) => {
  const values = { '--project': 'shop', '--name': 'ci', '--scopes': 'admin', [option]: value }
  const { code, errors, asked } = await hookline(['keys', 'create', ...Object.entries(values).flat()])
  expect(code).toBe(2)
  expect(errors).toContain(message)
  expect(asked).toEqual({ keys: [], names: [], closed: 0 })
})

test('projects are created, keys revoked, databases migrated, schemas printed', async () => {
  expect(await hookline(['projects', 'create', 'shop'])).toMatchObject({
    code: 0,
    output: 'prj_1\n',
    asked: { names: ['shop'] },
  })
  expect(await hookline(['keys', 'revoke', 'key_9'])).toMatchObject({ code: 0, asked: { names: ['key_9'], closed: 1 } })
  expect(await hookline(['migrate'])).toMatchObject({ code: 0, asked: { names: ['migrate'], closed: 1 } })
  expect(await hookline(['print-schema'])).toMatchObject({ code: 0, output: 'type Query {\n  a: Int\n}\n' })
})

test('keys are listed one a line', async () => {
  const createdAt = new Date()
  const key = {
    id: 'key_1',
    name: 'ci',
    scopes: ['read', 'listen'],
    createdAt,
    expiresAt: new Date('2030-01-01'),
  } as const
  const { output } = await hookline(['keys', 'list', '--project', 'shop'], {
    listApiKeys: async () =>
      done([
        { ...key, scopes: [...key.scopes] },
        { ...key, scopes: [], revokedAt: new Date('2026-01-01') },
      ]),
  })
  expect(output).toBe(
    'key_1\tread,listen\texpires 2030-01-01T00:00:00.000Z\tci\nkey_1\t\trevoked 2026-01-01T00:00:00.000Z\tci\n',
  )
})

test.each([
  [{ kind: 'not-found', id: 'shop', path: [] }, 'There is no "shop".'],
  [{ kind: 'name-taken', name: 'shop', path: [] }, 'The name "shop" is taken.'],
  [{ kind: 'limit-reached', limit: 5, path: [] }, 'There can be 5 of these at most.'],
  [
    { kind: 'invalid', issues: [{ code: 'REQUIRED', message: 'A name is needed.', path: ['input', 'name'] }] },
    'name: A name is needed.',
  ],
] as const)('a failure %j is told in words, with exit code 1, and the database is closed', async (failure, words) => {
  const ran = await hookline(['projects', 'create', 'shop'], { createProject: async () => failure as never })
  expect(ran).toMatchObject({ code: 1, output: '', errors: `hookline: ${words}\n`, asked: { closed: 1 } })
})

test('the report of a first start shows the way in, and a later one no key', () => {
  const urls = { base: 'http://localhost:8787', graphiql: 'http://localhost:8787/graphql' }
  const exampleIngressUrl = 'http://localhost:8787/in/abc'
  const first = startReport({ urls, firstAdminToken: 'hk_token', exampleIngressUrl, notices: ['Loopback is allowed.'] })
  expect(first).toContain('http://localhost:8787/graphql\n')
  expect(first).toContain('hk_token')
  expect(first).toMatch(/^ *curl .* http:\/\/localhost:8787\/in\/abc$/m)
  expect(first).toContain('Note: Loopback is allowed.')
  const later = startReport({ urls, firstAdminToken: null, exampleIngressUrl: null, notices: [] })
  expect(later).not.toMatch(/Admin key|curl|Note/)
})

test.each([
  [
    { code: 'ECONNREFUSED', address: '10.0.0.5', port: 5432 },
    /^Nothing listens at 10\.0\.0\.5:5432\. .*DATABASE_URL\.$/,
  ],
  [{ code: 'ENOENT', syscall: 'connect', address: '/run/pg/.s.PGSQL.5432' }, /^Nothing listens at \/run\/pg/],
  [{ code: 'ENOTFOUND', hostname: 'db.example' }, /^The host db\.example of DATABASE_URL/],
  [{ code: '28P01' }, /^PostgreSQL refuses the login: .* DATABASE_URL\.$/],
  [{ code: '3D000' }, /Create the database/],
  [{ code: '53300' }, /DATABASE_POOL_SIZE/],
])('a database error %j says what to do', (fields, expected) => {
  const error = Object.assign(new Error('original text'), fields)
  expect(explainError(error)).toMatch(expected)
  expect(explainError(new Error('wrapped', { cause: error }))).toMatch(expected)
  const coded = new CodedError('DATABASE_UNREACHABLE', 'The database takes no connection.', { cause: error })
  expect(explainError(coded)).toMatch(expected)
})

test('a start that failed and could not be closed is explained by what failed first', () => {
  const cause = new CodedError('PORT_IN_USE', 'Port 1 is in use.')
  expect(explainError(new AggregateError([cause, new Error('closing failed')], 'both'))).toBe('Port 1 is in use.')
  const unknown = new CodedError('DATABASE_UNREACHABLE', 'It takes no connection.', { cause: new Error('odd') })
  expect(explainError(unknown)).toBe('It takes no connection.')
  expect(explainError(new Error('odd'))).toBe('odd. LOG_LEVEL=debug tells more.')
  expect(explainError('odd')).toBe('odd. LOG_LEVEL=debug tells more.')
})
