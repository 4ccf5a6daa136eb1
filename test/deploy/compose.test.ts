import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { describeProblems, parseConfig, settingVariables } from '../../src/config/index.ts'
import { root } from './source-files.ts'

interface Service {
  readonly build?: string
  readonly image?: string
  readonly environment?: Readonly<Record<string, string>>
  readonly ports?: readonly string[]
  readonly healthcheck?: object
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
}

const compose = parse(readFileSync(join(root, 'docker-compose.yml'), 'utf8'), { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>
}
const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8')

const gateways = ['api', 'worker'] as const
const masterKeys = { MASTER_KEYS: `first:${randomBytes(32).toString('base64')}` }
/** Set by containers for Node itself. */
const foreignVariables = ['NODE_ENV']

function serviceOf(name: string): Service {
  const service = compose.services[name]
  if (service === undefined) throw new Error(`docker-compose.yml has no service ${name}`)
  return service
}

/** Puts variables into a text as Docker Compose does: `${A}`, `${A:-default}` and `${A:?message}`. */
function substitute(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replace(/\$\{(\w+)(?:(:[-?])([^$}]*))?\}/g, (_, name: string, operator?: string, rest = '') => {
    const value = variables[name] ?? ''
    if (value !== '' || operator === undefined) return value
    if (operator === ':-') return rest
    throw new Error(`${name} must be set: ${rest}`)
  })
}

/** What a container of the service sees: the image's variables, then the service's. */
function environmentOf(name: string, variables: Readonly<Record<string, string>>): Record<string, string> {
  const own = Object.entries(serviceOf(name).environment ?? {}).map(([key, text]) => [key, substitute(text, variables)])
  return { ...imageEnvironment(), ...Object.fromEntries(own) }
}

function imageEnvironment(): Record<string, string> {
  const lines = dockerfile.replaceAll('\\\n', ' ').split('\n')
  const lastStage = lines.slice(lines.findLastIndex((line) => line.startsWith('FROM ')))
  const words = lastStage.filter((line) => line.startsWith('ENV ')).flatMap((line) => line.split(/\s+/).slice(1))
  return Object.fromEntries(words.map((word) => word.split(/=(.*)/s, 2) as [string, string]))
}

function configOf(name: string, variables: Readonly<Record<string, string>>) {
  const result = parseConfig(environmentOf(name, variables))
  if (result.kind === 'invalid') throw new Error(describeProblems(result.problems))
  return result.config
}

test('every variable that the image and the services set is one that the gateway knows', () => {
  const known = [...settingVariables, ...foreignVariables]
  expect(Object.keys(imageEnvironment())).toContain('HOST')
  expect(dockerfile).not.toMatch(/^ARG /m)
  expect(Object.keys(imageEnvironment()).filter((variable) => !known.includes(variable))).toEqual([])
  for (const name of gateways) {
    const variables = Object.keys(serviceOf(name).environment ?? {})
    expect(variables).toContain('DATABASE_URL')
    expect(variables.filter((variable) => !known.includes(variable))).toEqual([])
  }
})

test('with a master key alone both services get a configuration that is accepted, and differ in their role alone', () => {
  const [api, worker] = gateways.map((name) => configOf(name, masterKeys))
  expect(api).toMatchObject({
    role: 'api',
    host: '0.0.0.0',
    databaseUrl: 'postgres://hookline:hookline@postgres:5432/hookline',
    redisUrl: 'redis://redis:6379',
    publicUrl: 'http://localhost:8787',
    allowsLoopback: false,
    allowedNetworks: [],
  })
  expect(worker).toEqual({ ...api, role: 'worker' })
})

test('what the operator sets reaches both services', () => {
  const variables = {
    ...masterKeys,
    POSTGRES_PASSWORD: 's3cret',
    PUBLIC_URL: 'https://hooks.example.com',
    ALLOWED_NETWORKS: '10.0.0.0/8',
    LOG_LEVEL: 'warn',
  }
  for (const name of gateways) {
    expect(configOf(name, variables)).toMatchObject({
      databaseUrl: 'postgres://hookline:s3cret@postgres:5432/hookline',
      publicUrl: 'https://hooks.example.com',
      allowedNetworks: ['10.0.0.0/8'],
      logLevel: 'warn',
    })
  }
  expect(substitute(serviceOf('postgres').environment?.POSTGRES_PASSWORD ?? '', variables)).toBe('s3cret')
})

test('without a master key nothing starts, and the message tells how to make one', () => {
  for (const name of gateways) {
    expect(() => environmentOf(name, {})).toThrow(/^MASTER_KEYS must be set: .*openssl rand -base64 32/)
  }
})

test('both services run the same build, once database and Redis answer', () => {
  const [api, worker] = gateways.map(serviceOf)
  expect(api).toMatchObject({ build: '.', image: expect.any(String) })
  expect([worker?.build, worker?.image]).toEqual([api?.build, api?.image])
  for (const service of [api, worker]) {
    for (const [name, { condition }] of Object.entries(service?.depends_on ?? {})) {
      expect(condition).toBe('service_healthy')
      expect(serviceOf(name).healthcheck).toBeDefined()
    }
    expect(Object.keys(service?.depends_on ?? {})).toEqual(['postgres', 'redis'])
  }
})

test('what is published is the port that the image listens on', () => {
  const { port } = configOf('api', masterKeys)
  const ports = serviceOf('api').ports?.map((text) => substitute(text, {}))
  expect(ports).toEqual([`127.0.0.1:${port}:${port}`])
  expect(dockerfile).toContain(`\nEXPOSE ${port}\n`)
})
