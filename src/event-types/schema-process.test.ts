import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, expect, test } from 'vitest'
import { until } from '../../test/support/until.ts'
import type { SchemaJob } from './schema-checker.ts'
import { createSchemaProcess, type SchemaProcessOptions } from './schema-process.ts'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

function newProcess(options: SchemaProcessOptions = {}) {
  const checker = createSchemaProcess(options)
  closers.push(() => checker.close())
  return checker
}

let schemas = 0
/** A check against a schema of its own, so that nothing is remembered from another. */
function checkOf(schema: unknown, data: unknown): SchemaJob {
  schemas += 1
  return { kind: 'check', key: `${schemas}`, schema: JSON.stringify(schema), data: Buffer.from(JSON.stringify(data)) }
}

const backtracking = () => checkOf({ pattern: '(a+)+$' }, `${'a'.repeat(40)}b`)
const innocent = () => checkOf({ type: 'string' }, 'a')
const fits = { kind: 'answered', problem: null }

test('a check that never ends is ended, and harms none that run or wait beside it', async () => {
  const checker = newProcess()
  const outcomes = await Promise.all([
    checker.run('a', innocent()),
    checker.run('a', backtracking()),
    ...Array.from({ length: 40 }, () => checker.run('b', innocent())),
    checker.run('a', backtracking()),
    checker.run('b', innocent()),
  ])
  expect(outcomes).toEqual([
    fits,
    { kind: 'too-long' },
    ...Array.from({ length: 40 }, () => fits),
    { kind: 'too-long' },
    fits,
  ])
})

test('references that multiply end by the time limit', async () => {
  const $defs: Record<string, unknown> = { d40: { type: 'string' } }
  for (let level = 39; level >= 0; level -= 1) {
    const $ref = `#/$defs/d${level + 1}`
    $defs[`d${level}`] = { allOf: [{ $ref }, { $ref }] }
  }
  const checker = newProcess()
  expect(await checker.run('a', checkOf({ $defs, $ref: '#/$defs/d0' }, 'a'))).toEqual({ kind: 'too-long' })
})

test('a check that takes all memory ends as crashed, and harms none beside it', async () => {
  const checker = newProcess({ limitMs: 20_000, maxHeapMb: 64 })
  const data = Buffer.from(`[${'{},'.repeat(2_000_000)}{}]`)
  const hungry: SchemaJob = { kind: 'check', key: 'hungry', schema: 'true', data }
  const outcomes = await Promise.all([innocent(), hungry, innocent()].map((job) => checker.run('a', job)))
  expect(outcomes).toEqual([fits, { kind: 'crashed' }, fits])
})

test('data that nests deeper than a call stack is a violation', async () => {
  const checker = newProcess()
  const schema = JSON.stringify({ items: { $ref: '#' } })
  const data = Buffer.from('['.repeat(200_000) + ']'.repeat(200_000))
  const outcome = await checker.run('a', { kind: 'check', key: 'deep', schema, data })
  expect(outcome).toEqual({
    kind: 'answered',
    problem: 'the data cannot be checked: it nests, or refers to itself, too deep',
  })
})

test('who took how long is told, so that it can wait elsewhere', async () => {
  const told: Record<string, number> = {}
  const checker = newProcess({
    onTook(owner, tookMs) {
      told[owner] = tookMs
    },
  })
  await Promise.all([checker.run('slow', backtracking()), checker.run('fast', innocent())])
  expect(told).toEqual({ slow: 1_000, fast: expect.any(Number) })
  expect(told.fast).toBeLessThan(1_000)
})

test("nobody's checks wait for all of somebody else's", async () => {
  const checker = newProcess()
  let answered = 0
  const many = Array.from({ length: 5_000 }, () => checker.run('many', innocent()).then(() => (answered += 1)))
  await checker.run('one', innocent())
  expect(answered).toBeLessThan(100)
  await Promise.all(many)
})

test('a closed process runs nothing', async () => {
  const checker = newProcess()
  const waiting = checker.run('a', innocent())
  await checker.close()
  expect(await waiting).toEqual({ kind: 'not-run', error: null })
  expect(await checker.run('a', innocent())).toEqual({ kind: 'not-run', error: null })
})

test('no more than 10,000 checks wait, and those of one leave room for those of others', async () => {
  const checker = newProcess()
  const checks = Array.from({ length: 10_020 }, () => checker.run('a', innocent()))
  const other = checker.run('b', innocent())
  const kinds = Object.groupBy(await Promise.all(checks), ({ kind }) => kind)
  expect([kinds.answered?.length, kinds['not-run']?.length]).toEqual([10_000, 20])
  expect(await other).toEqual(fits)
})

test('a process that cannot start says so, and is tried again', async () => {
  const checker = newProcess({ maxHeapMb: 1 })
  expect(await checker.run('a', innocent())).toMatchObject({ kind: 'not-run', error: expect.any(Error) })
  expect(await checker.run('a', innocent())).toMatchObject({ kind: 'not-run', error: expect.any(Error) })
})

const here = import.meta.dirname

/** A process that runs one job and leaves the checking one open. */
async function runAlone(folder: string, extension: 'ts' | 'js'): Promise<string> {
  const code = `import { createSchemaProcess } from ${JSON.stringify(join(folder, `schema-process.${extension}`))}
    const { kind } = await createSchemaProcess().run('a', { kind: 'compile', schema: 'true' })
    console.log(kind)`
  // The time-out ends a process that does not end by itself, and that is an error.
  const run = promisify(execFile)(process.execPath, ['--input-type=module', '-e', code], { timeout: 20_000, env: {} })
  return (await run).stdout
}

test('an idle checking process does not keep ours alive', async () => {
  expect(await runAlone(here, 'ts')).toBe('answered\n')
})

test('the checking process runs as JavaScript as well', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hookline-checker-'))
  closers.push(() => rm(folder, { recursive: true }))
  await symlink(join(here, '../../node_modules'), join(folder, 'node_modules'))
  await writeFile(join(folder, 'package.json'), '{"type":"module"}')
  for (const file of ['schema-process', 'fair-queue', 'checking-process', 'parent-watch', 'schema-checker']) {
    const text = stripTypeScriptTypes(await readFile(join(here, `${file}.ts`), 'utf8'))
    await writeFile(join(folder, `${file}.js`), text.replace(/(from '\.\/[a-z-]+)\.ts'/g, "$1.js'"))
  }
  expect(await runAlone(folder, 'js')).toBe('answered\n')
})

// By what Linux tells of processes.
test.skipIf(process.platform !== 'linux')(
  'a check that never ends does not outlive a process that was killed',
  async () => {
    const code = `import { createSchemaProcess } from ${JSON.stringify(join(here, 'schema-process.ts'))}
    const checker = createSchemaProcess({ limitMs: 600_000 })
    await checker.run('a', { kind: 'compile', schema: 'true' })
    const data = Buffer.from(JSON.stringify('a'.repeat(60) + 'b'))
    void checker.run('a', { kind: 'check', key: '1', schema: '{"pattern":"(a+)+$"}', data })
    console.log('runs')`
    const parent = spawn(process.execPath, ['--input-type=module', '-e', code], { env: {} })
    await once(parent.stdout, 'data')
    const checkerId = Number(await readFile(`/proc/${parent.pid}/task/${parent.pid}/children`, 'utf8'))
    expect(await isAlive(checkerId)).toBe(true)
    parent.kill('SIGKILL')
    await until(() => isAlive(checkerId), false)
  },
)

/** One that has ended may still wait for somebody to take note of it. */
async function isAlive(processId: number): Promise<boolean> {
  const stat = await readFile(`/proc/${processId}/stat`, 'utf8').catch(() => ') Z')
  return !stat.slice(stat.lastIndexOf(')')).startsWith(') Z')
}
