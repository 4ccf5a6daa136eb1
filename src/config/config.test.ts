import { randomBytes } from 'node:crypto'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { baseUrlOf, type Config, describeProblems, type Environment, parseConfig, settingsTable } from './index.ts'
import { settings, settingVariables } from './settings.ts'

const masterKeys = `first:${randomBytes(32).toString('base64')}`
const shared = { DATABASE_URL: 'postgres://hook@db.example/hookline', MASTER_KEYS: masterKeys }

function configOf(environment: Environment): Config {
  const result = parseConfig(environment)
  if (result.kind === 'invalid') throw new Error(describeProblems(result.problems))
  return result.config
}

function complaintsOf(environment: Environment): string[] {
  const result = parseConfig(environment)
  return result.kind === 'invalid' ? describeProblems(result.problems).split('\n') : []
}

test('an empty environment is enough to start', () => {
  expect(configOf({})).toEqual({
    databaseUrl: null,
    databasePoolSize: 10,
    redisUrl: null,
    dataDir: resolve('.hookline'),
    role: 'all',
    host: '127.0.0.1',
    port: 8787,
    publicUrl: null,
    tls: null,
    masterKeys: null,
    allowedNetworks: [],
    allowsLoopback: true,
    trustedProxies: [],
    allowedOrigins: [],
    retentionMaxAgeHours: 720,
    logLevel: 'info',
    shutdownTimeoutMs: 8_000,
  })
})

test('every variable arrives as a typed value', () => {
  const config = configOf({
    ...shared,
    DATABASE_POOL_SIZE: '20',
    REDIS_URL: 'rediss://:pw@redis.example:6380/1',
    DATA_DIR: '/var/lib/hookline',
    ROLE: 'worker',
    HOST: '::',
    PORT: '443',
    PUBLIC_URL: 'https://hooks.example.com/in-front/',
    TLS_CERT_FILE: '/etc/cert.pem',
    TLS_KEY_FILE: '/etc/key.pem',
    ALLOWED_NETWORKS: '10.0.0.0/8, fd00::/8,192.168.1.7',
    TRUSTED_PROXIES: '10.0.0.1',
    ALLOWED_ORIGINS: 'https://app.example, http://LOCALHOST:3000/',
    RETENTION_MAX_AGE_HOURS: 'none',
    LOG_LEVEL: 'warn',
    SHUTDOWN_TIMEOUT_MS: '0',
  })
  expect(config).toMatchObject({
    databaseUrl: shared.DATABASE_URL,
    databasePoolSize: 20,
    redisUrl: 'rediss://:pw@redis.example:6380/1',
    dataDir: '/var/lib/hookline',
    role: 'worker',
    host: '::',
    port: 443,
    publicUrl: 'https://hooks.example.com/in-front',
    tls: { certFile: '/etc/cert.pem', keyFile: '/etc/key.pem' },
    allowedNetworks: ['10.0.0.0/8', 'fd00::/8', '192.168.1.7/32'],
    allowsLoopback: false,
    trustedProxies: ['10.0.0.1/32'],
    allowedOrigins: ['https://app.example', 'http://localhost:3000'],
    retentionMaxAgeHours: null,
    logLevel: 'warn',
    shutdownTimeoutMs: 0,
  })
  expect(config.masterKeys?.map((key) => key.id)).toEqual(['first'])
})

test('all mistakes are reported at once, each with the variable, what it held and what is expected', () => {
  const complaints = complaintsOf({
    PORT: '80a',
    ROLE: 'server',
    LOG_LEVEL: 'loud',
    HOST: 'a b',
    PUBLIC_URL: 'ftp://x',
    ALLOWED_NETWORKS: '10/8',
    TRUSTED_PROXIES: 'proxy',
    ALLOWED_ORIGINS: 'https://app.example/page',
    RETENTION_MAX_AGE_HOURS: '0',
    TLS_KEY_FILE: 'key.pem',
    DATABASE_POOL_SIZE: '1',
  })
  expect(complaints).toEqual([
    'DATABASE_POOL_SIZE is "1": expected a whole number from 2 to 1000',
    'ROLE is "server": expected one of all, api, worker',
    'HOST is "a b": expected an IP address or a host name, without a port',
    'PORT is "80a": expected a whole number from 0 to 65535',
    'PUBLIC_URL is "ftp://x": expected an http or https URL without user, query or fragment, such as https://hooks.example.com',
    'ALLOWED_NETWORKS is "10/8": expected networks in CIDR notation, comma separated, such as 10.0.0.0/8,fd00::/8; or none',
    'TRUSTED_PROXIES is "proxy": expected networks in CIDR notation, comma separated, such as 10.0.0.0/8,fd00::/8; or none',
    'ALLOWED_ORIGINS is "https://app.example/page": expected origins without a path, comma separated, such as https://app.example.com; or none',
    'RETENTION_MAX_AGE_HOURS is "0": expected a whole number from 1 to 1000000, or none',
    'LOG_LEVEL is "loud": expected one of trace, debug, info, warn, error, fatal, silent',
    'TLS_CERT_FILE is not set: expected the certificate of TLS_KEY_FILE; set both or neither',
  ])
})

test.each(['DATABASE_URL', 'REDIS_URL', 'MASTER_KEYS'])('a mistake in %s never shows its text', (variable) => {
  const complaint = complaintsOf({ ...shared, [variable]: 'mysql://me:hunter2@db' }).join('\n')
  expect(complaint).toContain(`${variable} is (set; not shown): expected `)
  expect(complaint).not.toContain('hunter2')
})

test.each([
  ['redis://redis', true],
  ['redis://:a,b@one:6379', true],
  ['redis://:pw@one:6379,redis://:pw@two:6379, rediss://three', true],
  ['redis://one:6379,two:6379', false],
  ['redis://one,two:6379', false],
  ['redis://one:6379,', false],
  ['redis://', false],
  ['http://redis:6379', false],
])('REDIS_URL may be one server, or several URLs of one Cluster: %s', (url, isValid) => {
  if (isValid) expect(configOf({ REDIS_URL: url }).redisUrl).toBe(url)
  else expect(complaintsOf({ REDIS_URL: url })).toHaveLength(1)
})

test('a shared database without master keys is refused, and so is a role without a shared database', () => {
  expect(complaintsOf({ DATABASE_URL: shared.DATABASE_URL })).toEqual([
    expect.stringMatching(/^MASTER_KEYS is not set: expected id:base64 of 32 bytes, since DATABASE_URL is set/),
  ])
  expect(complaintsOf({ ROLE: 'api' })).toEqual([expect.stringMatching(/^DATABASE_URL is not set: .* ROLE is api/)])
})

test('a database on a Unix socket is a database', () => {
  const url = 'postgres://hookline@/postgres?host=/run/postgresql'
  expect(configOf({ ...shared, DATABASE_URL: url }).databaseUrl).toBe(url)
})

test('an empty variable counts as absent and a foreign one is no mistake', () => {
  expect(configOf({ PORT: '', REDIS_URL: ' ', HOOKLINE_COLOUR: 'red', PATH: '/bin' })).toEqual(configOf({}))
})

test('loopback can be refused in embedded mode and is refused on a shared database', () => {
  expect(configOf({ ALLOWED_NETWORKS: 'none' })).toMatchObject({ allowsLoopback: false, allowedNetworks: [] })
  expect(configOf(shared)).toMatchObject({ allowsLoopback: false, allowedNetworks: [] })
})

test.each([
  [{ host: '0.0.0.0', tls: null, publicUrl: null }, 'http://localhost:8787'],
  [{ host: '10.1.2.3', tls: { certFile: '', keyFile: '' }, publicUrl: null }, 'https://10.1.2.3:8787'],
  [{ host: 'fd00::1', tls: null, publicUrl: null }, 'http://[fd00::1]:8787'],
  [{ host: '0.0.0.0', tls: null, publicUrl: 'https://hooks.example.com' }, 'https://hooks.example.com'],
])('the base URL of %j is %s', (config, url) => {
  expect(baseUrlOf(config, 8787)).toBe(url)
})

test('both tables name every variable once, with its default', () => {
  for (const format of ['text', 'markdown'] as const) {
    const table = settingsTable(format)
    for (const { variable, fallbackText } of Object.values(settings)) {
      expect(table.match(new RegExp(`^[| \`]+${variable}[ \`]`, 'gm')), variable).toHaveLength(1)
      if (format === 'markdown') expect(table).toContain(` ${fallbackText} |`)
    }
    expect(
      Math.max(
        ...settingsTable('text')
          .split('\n')
          .map((line) => line.length),
      ),
    ).toBeLessThanOrEqual(100)
  }
  expect(new Set(settingVariables).size).toBe(settingVariables.length)
})
