import {
  integerBetween,
  oneOf,
  orNone,
  type Parse,
  parseDatabaseUrl,
  parseHost,
  parseMasterKeyList,
  parseNetworks,
  parseOrigins,
  parsePublicUrl,
  parseRedisUrls,
  parseText,
} from './parse.ts'

/** One environment variable: what it means, and how its text becomes a value. An empty variable counts as absent. */
export interface Setting<Value> {
  readonly variable: string
  readonly description: string
  /** The value when the variable is absent. */
  readonly fallback: Value
  /** What absence means, for people; the fallback itself unless given. */
  readonly fallbackText: string
  /** Its text is never shown. */
  readonly isSecret: boolean
  readonly parse: Parse<Value>
}

interface SettingInput<Value> {
  readonly description: string
  readonly parse: Parse<Value>
  readonly fallback: Value
  readonly fallbackText?: string
  readonly isSecret?: boolean
}

function setting<Value>(variable: string, input: SettingInput<Value>): Setting<Value> {
  return { variable, fallbackText: String(input.fallback), isSecret: false, ...input }
}

/** A setting that may be absent for good: null then. */
function optional<Value>(
  variable: string,
  input: Omit<SettingInput<Value>, 'fallback'> & { readonly fallbackText: string },
): Setting<Value | null> {
  return setting<Value | null>(variable, { ...input, fallback: null })
}

export const roles = ['all', 'api', 'worker'] as const
export type Role = (typeof roles)[number]

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

/** Every variable there is. Parsing, `--help`, the README's table and the checks of the compose files read this. */
export const settings = {
  databaseUrl: optional('DATABASE_URL', {
    description: 'PostgreSQL to keep everything in. Not through a transaction pooler.',
    fallbackText: 'an embedded PostgreSQL in DATA_DIR',
    isSecret: true,
    parse: parseDatabaseUrl,
  }),
  databasePoolSize: setting('DATABASE_POOL_SIZE', {
    description:
      'PostgreSQL connections of one process at most, besides the few that record messages and the one that settles deliveries.',
    fallback: 10,
    parse: integerBetween(2, 1_000),
  }),
  redisUrl: optional('REDIS_URL', {
    description:
      'Redis that carries wake-ups between processes and counts rate limits for all of them. It holds nothing that can be ' +
      'lost. A Redis Cluster is recognised; of one, several servers may be named, comma separated.',
    fallbackText: 'each process wakes and counts for itself',
    isSecret: true,
    parse: parseRedisUrls,
  }),
  dataDir: setting('DATA_DIR', {
    description: 'Directory of the embedded PostgreSQL and of generated keys.',
    fallback: '.hookline',
    parse: parseText,
  }),
  role: setting<Role>('ROLE', {
    description: 'What this process does: api answers requests, worker delivers, all does both.',
    fallback: 'all',
    parse: oneOf(roles),
  }),
  host: setting('HOST', {
    description: 'Address to listen on; 0.0.0.0 lets other machines in.',
    fallback: '127.0.0.1',
    parse: parseHost,
  }),
  port: setting('PORT', {
    description: 'Port to listen on; 0 takes a free one.',
    fallback: 8787,
    parse: integerBetween(0, 65_535),
  }),
  publicUrl: optional('PUBLIC_URL', {
    description: 'URL under which the world reaches this gateway; ingress URLs begin with it.',
    fallbackText: 'http(s)://localhost:PORT',
    parse: parsePublicUrl,
  }),
  tlsCertFile: optional('TLS_CERT_FILE', {
    description: 'Certificate chain in PEM, for HTTPS without a proxy; together with TLS_KEY_FILE.',
    fallbackText: 'plain HTTP',
    parse: parseText,
  }),
  tlsKeyFile: optional('TLS_KEY_FILE', {
    description: 'Private key in PEM; together with TLS_CERT_FILE.',
    fallbackText: 'plain HTTP',
    parse: parseText,
  }),
  masterKeys: optional('MASTER_KEYS', {
    description:
      'Keys that encrypt secrets at rest: id:base64 of 32 bytes, several comma separated, the current one first. ' +
      'Required with DATABASE_URL.',
    fallbackText: 'generated into DATA_DIR (embedded PostgreSQL only)',
    isSecret: true,
    parse: parseMasterKeyList,
  }),
  allowedNetworks: optional('ALLOWED_NETWORKS', {
    description: 'Private networks that deliveries may reach: CIDRs, comma separated, or none.',
    fallbackText: 'none with DATABASE_URL, else loopback',
    parse: parseNetworks,
  }),
  trustedProxies: setting<readonly string[]>('TRUSTED_PROXIES', {
    description:
      'Proxies whose X-Forwarded-For or Forwarded tells where a request comes from: CIDRs, comma separated, or none.',
    fallback: [],
    fallbackText: 'none',
    parse: parseNetworks,
  }),
  allowedOrigins: setting<readonly string[]>('ALLOWED_ORIGINS', {
    description:
      'Origins of pages that may open WebSockets and event streams here, beside our own: comma separated, or none.',
    fallback: [],
    fallbackText: 'none',
    parse: parseOrigins,
  }),
  retentionMaxAgeHours: setting<number | null>('RETENTION_MAX_AGE_HOURS', {
    description:
      'Age in hours after which messages go where neither source nor project says otherwise; none keeps them.',
    fallback: 720,
    parse: orNone(integerBetween(1, 1_000_000)),
  }),
  logLevel: setting<LogLevel>('LOG_LEVEL', {
    description: `How much to log: ${logLevels.join(', ')}.`,
    fallback: 'info',
    parse: oneOf(logLevels),
  }),
  shutdownTimeoutMs: setting('SHUTDOWN_TIMEOUT_MS', {
    // Container engines kill 10 s after their SIGTERM unless told otherwise; the database wants to close before.
    description: 'Time in milliseconds that open requests get to finish when the process stops.',
    fallback: 8_000,
    parse: integerBetween(0, 3_600_000),
  }),
}

/** Every setting's value, by name. */
export type SettingValues = {
  -readonly [Name in keyof typeof settings]: (typeof settings)[Name] extends Setting<infer Value> ? Value : never
}

export const settingVariables: readonly string[] = Object.values(settings).map(({ variable }) => variable)
