import { resolve } from 'node:path'
import type { MasterKey } from '../secrets/index.ts'
import type { Environment } from './env.ts'
import { type LogLevel, type Role, type Setting, type SettingValues, settings } from './settings.ts'

/** What this process was told, checked. Times are in milliseconds. */
export interface Config {
  /** null: an embedded PostgreSQL in `dataDir`. */
  readonly databaseUrl: string | null
  /** Connections at most. */
  readonly databasePoolSize: number
  /** null: wake-ups stay in this process. */
  readonly redisUrl: string | null
  /** Absolute. */
  readonly dataDir: string
  readonly role: Role
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  /** Without a slash at the end; null: derived from the address that we listen on. */
  readonly publicUrl: string | null
  /** Paths of PEM files; null: plain HTTP. */
  readonly tls: { readonly certFile: string; readonly keyFile: string } | null
  /** The current one first. null, with the embedded PostgreSQL only: generated into `dataDir`. */
  readonly masterKeys: readonly MasterKey[] | null
  /** CIDRs that deliveries may reach although they are private. */
  readonly allowedNetworks: readonly string[]
  /** Deliveries may reach this very machine: so with the embedded PostgreSQL, unless ALLOWED_NETWORKS says otherwise. */
  readonly allowsLoopback: boolean
  /** CIDRs whose word about the address of a sender is taken. */
  readonly trustedProxies: readonly string[]
  /** Such as `https://app.example.com`: pages that may stream, beside our own. */
  readonly allowedOrigins: readonly string[]
  /** Null: kept. */
  readonly retentionMaxAgeHours: number | null
  readonly logLevel: LogLevel
  readonly shutdownTimeoutMs: number
}

export interface ConfigProblem {
  readonly variable: string
  /** What the variable held, fit to be shown; null when it was absent. */
  readonly held: string | null
  readonly expected: string
}

export type ConfigResult =
  | { readonly kind: 'valid'; readonly config: Config }
  | { readonly kind: 'invalid'; readonly problems: readonly ConfigProblem[] }

/** Makes strings into a typed configuration, or tells all that is wrong at once. Variables it does not know are ignored. */
export function parseConfig(environment: Environment): ConfigResult {
  const problems: ConfigProblem[] = []
  const read = <Name extends keyof SettingValues>(name: Name): SettingValues[Name] =>
    readSetting(name, environment, problems)
  const values: SettingValues = {
    databaseUrl: read('databaseUrl'),
    databasePoolSize: read('databasePoolSize'),
    redisUrl: read('redisUrl'),
    dataDir: read('dataDir'),
    role: read('role'),
    host: read('host'),
    port: read('port'),
    publicUrl: read('publicUrl'),
    tlsCertFile: read('tlsCertFile'),
    tlsKeyFile: read('tlsKeyFile'),
    masterKeys: read('masterKeys'),
    allowedNetworks: read('allowedNetworks'),
    trustedProxies: read('trustedProxies'),
    allowedOrigins: read('allowedOrigins'),
    retentionMaxAgeHours: read('retentionMaxAgeHours'),
    logLevel: read('logLevel'),
    shutdownTimeoutMs: read('shutdownTimeoutMs'),
  }
  problems.push(...problemsBetween(environment))
  return problems.length === 0 ? { kind: 'valid', config: assemble(values) } : { kind: 'invalid', problems }
}

/** One line per problem, such as `PORT is "80a": expected a whole number from 0 to 65535`. */
export function describeProblems(problems: readonly ConfigProblem[]): string {
  return problems
    .map(({ variable, held, expected }) => `${variable} is ${held ?? 'not set'}: expected ${expected}`)
    .join('\n')
}

function readSetting<Name extends keyof SettingValues>(
  name: Name,
  environment: Environment,
  problems: ConfigProblem[],
): SettingValues[Name] {
  // TypeScript does not relate settings[Name] to SettingValues[Name]; SettingValues is made from it.
  const setting = settings[name] as unknown as Setting<SettingValues[Name]>
  const text = textOf(environment, setting.variable)
  if (text === null) return setting.fallback
  const parsed = setting.parse(text)
  if (parsed.ok) return parsed.value
  const held = setting.isSecret ? '(set; not shown)' : JSON.stringify(text)
  problems.push({ variable: setting.variable, held, expected: parsed.expected })
  return setting.fallback
}

// Looks at what is set, not at what was parsed: a variable with a mistake is not reported as missing as well.
function problemsBetween(environment: Environment): ConfigProblem[] {
  const problems: ConfigProblem[] = []
  const held = (variable: string) => textOf(environment, variable)
  const missing = (variable: string, expected: string) => problems.push({ variable, held: null, expected })
  const hasDatabase = held('DATABASE_URL') !== null
  if (held('TLS_CERT_FILE') !== null && held('TLS_KEY_FILE') === null) {
    missing('TLS_KEY_FILE', 'the private key of TLS_CERT_FILE; set both or neither')
  }
  if (held('TLS_KEY_FILE') !== null && held('TLS_CERT_FILE') === null) {
    missing('TLS_CERT_FILE', 'the certificate of TLS_KEY_FILE; set both or neither')
  }
  if (hasDatabase && held('MASTER_KEYS') === null) {
    missing(
      'MASTER_KEYS',
      'id:base64 of 32 bytes, since DATABASE_URL is set; `openssl rand -base64 32` makes the bytes',
    )
  }
  if (!hasDatabase && (held('ROLE') === 'api' || held('ROLE') === 'worker')) {
    missing('DATABASE_URL', `a PostgreSQL to share, since ROLE is ${held('ROLE')}; the embedded one serves one process`)
  }
  return problems
}

function assemble(values: SettingValues): Config {
  const { tlsCertFile: certFile, tlsKeyFile: keyFile, allowedNetworks, ...rest } = values
  return {
    ...rest,
    dataDir: resolve(values.dataDir),
    tls: certFile !== null && keyFile !== null ? { certFile, keyFile } : null,
    allowedNetworks: allowedNetworks ?? [],
    allowsLoopback: allowedNetworks === null && values.databaseUrl === null,
  }
}

function textOf(environment: Environment, variable: string): string | null {
  const text = environment[variable]?.trim() ?? ''
  return text === '' ? null : text
}
