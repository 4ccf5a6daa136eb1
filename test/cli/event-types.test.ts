import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { runCli } from '../../src/cli/run-cli.ts'
import { createEventTypeStore, type EventType } from '../../src/event-types/index.ts'
import { findProject } from '../../src/projects/index.ts'
import { generateMasterKey } from '../../src/secrets/index.ts'
import { createToolbox } from '../../src/toolbox.ts'
import { type Configuration, startConfiguration } from '../support/configuration.ts'
import { createTestDatabase } from '../support/database.ts'
import { spawnProcess } from './spawn-process.ts'

let configuration: Configuration
let folder: string
beforeAll(async () => {
  configuration = await startConfiguration()
  folder = await mkdtemp(join(tmpdir(), 'hookline-event-types-'))
})
afterAll(async () => {
  await configuration.close()
  await rm(folder, { recursive: true })
})

interface Project {
  readonly name: string
  types(): Promise<EventType[]>
}

async function newProject(): Promise<Project> {
  const { projectId: id } = await configuration.newProject()
  const project = await findProject(configuration, { id })
  return {
    name: project?.name ?? '',
    types: async () =>
      (await createEventTypeStore(configuration.orm).page(id, { prefix: null, first: 2_000, after: null })).rows,
  }
}

async function hookline(...argv: string[]): Promise<{ code: number; output: string; errors: string }> {
  const parts = { ...configuration, loadMasterKeys: async () => [] }
  const toolbox = { ...createToolbox(parts), migrate: async () => undefined, close: async () => undefined }
  let output = ''
  let errors = ''
  const code = await runCli(argv, {
    environment: { LOG_LEVEL: 'silent' },
    loadApp: async () => ({
      startApp: () => Promise.reject(new Error('not here')),
      openToolbox: async () => toolbox,
      printSchema: () => '',
    }),
    print: (text) => (output += `${text}\n`),
    printError: (text) => (errors += `${text}\n`),
    isTerminal: false,
  })
  return { code, output, errors }
}

async function importFile(project: Project, content: string) {
  const file = join(folder, 'types')
  await writeFile(file, content)
  return await hookline('event-types', 'import', file, '--project', project.name)
}

const done = (output: string) => ({ code: 0, output, errors: '' })

test('names are imported one a line, past comments and empty lines', async () => {
  const project = await newProject()
  const content = '\ufeff# orders\r\norder.created\r\n\r\n  order.paid # by card\r\n#order.lost'
  expect(await importFile(project, content)).toEqual(done('Created 2, updated 0.\n'))
  expect(await importFile(project, 'order.paid\norder.sent\n')).toEqual(done('Created 1, updated 1.\n'))
  expect((await project.types()).map(({ name }) => name)).toEqual(['order.created', 'order.paid', 'order.sent'])
})

test('JSON gives names or whole entries', async () => {
  const project = await newProject()
  const entries = [
    'order.created',
    { name: 'order.paid', description: 'It\nis paid.', schema: { type: 'object' }, onViolation: 'REFUSE' },
    { name: 'order.old', isDeprecated: true, schema: true },
  ]
  expect(await importFile(project, JSON.stringify(entries))).toEqual(done('Created 3, updated 0.\n'))
  expect(await hookline('event-types', 'list', '--project', project.name)).toEqual(
    done('order.created\t-\norder.old\tdeprecated, schema: FLAG\norder.paid\tschema: REFUSE\tIt is paid.\n'),
  )
})

test.each([
  ['order.created\n\norder created\n#\norder-paid', /^hookline: line 3: name of "order created": .*\nline 5: name of/],
  ['order.created\n# again\norder.created', /^hookline: line 3: "order.created" stands in line 1 already\.\n$/],
  ['# nothing', /^hookline: The file names no event type\.\n$/],
  ['[\n"a",\n"b"', /^hookline: This is not JSON: .*line 3/],
  ['{"name":"a"}', /^hookline: The JSON is no list/],
  ['["a", ["]"], {\n}, 7]', /^hookline: line 1: an entry is .*\nline 1: "name" is missing\nline 2: an entry is/],
  [
    '[\n{"name":\n"a\\"[{"}, 7,\n{"name":"a","shema":{}}]',
    /^hookline: line 3: an entry .*\nline 4: "shema" is unknown/,
  ],
  ['[{"name":"a","onViolation":"DROP"}]', /^hookline: line 1: "onViolation" has a value that is not possible\n$/],
  ['[\n{"name":"a","schema":[]}]', /^hookline: line 2: schema of "a": A JSON Schema is an object/],
  [
    '["b",\n\n{"name":"a","schema":{"type":"objct"}}]',
    /^hookline: line 3: schema of "a": The schema is not valid: .*\nNothing was imported\.\n$/s,
  ],
])('the file %j is refused with its lines, and nothing is imported', async (content, expected) => {
  const project = await newProject()
  const { code, output, errors } = await importFile(project, content)
  expect([code, output]).toEqual([1, ''])
  expect(errors).toMatch(expected)
  expect(await project.types()).toEqual([])
})

test('more than 500 are imported in parts; a part that fails is named, with what was imported before', async () => {
  const project = await newProject()
  const lines = Array.from({ length: 1_200 }, (_, index) => `"a.${index}"`)
  const bad = lines.with(600, '{"name":"a.600","schema":{"$ref":"#/none"}}')
  const failed = await importFile(project, `[\n${bad.join(',\n')}]`)
  expect(failed.errors).toMatch(
    /^hookline: line 602: schema of "a.600": .*\nNothing of lines 502 to 1001 was imported/s,
  )
  expect(failed.errors).toContain('; the 500 before were.')
  expect(await project.types()).toHaveLength(500)
  expect(await importFile(project, `[\n${lines.join(',\n')}]`)).toEqual(done('Created 700, updated 500.\n'))
  const listed = await hookline('event-types', 'list', '--project', project.name)
  expect(new Set(listed.output.trim().split('\n')).size).toBe(1_200)
})

test('a file that is missing, or a project that is unknown, is told', async () => {
  const missing = await hookline('event-types', 'import', join(folder, 'none'), '--project', 'shop')
  expect(missing).toMatchObject({ code: 1, errors: expect.stringMatching(/none cannot be read: ENOENT/) })
  const file = join(folder, 'one')
  await writeFile(file, 'order.created')
  const errors = 'hookline: There is no "none".\nNothing was imported.\n'
  expect(await hookline('event-types', 'import', file, '--project', 'none')).toEqual({ code: 1, output: '', errors })
})

test('the help of the commands says what they take', async () => {
  expect((await hookline('event-types', 'import', '--help')).output).toMatch(
    /^Usage: hookline event-types import <file> \[options\]\n/,
  )
  expect((await hookline('event-types', '--help')).output.match(/^Usage: /gm)).toHaveLength(2)
})

test.each(['event-types.txt', 'event-types.json'])('the example pim-event-types/%s is a catalogue', async (file) => {
  const project = await newProject()
  const path = join(import.meta.dirname, '../../examples/pim-event-types', file)
  expect(await hookline('event-types', 'import', path, '--project', project.name)).toEqual(
    done('Created 113, updated 0.\n'),
  )
  const types = await project.types()
  expect(types.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['product.add', 'product_attribute_value.modify', 'asset.link', 'usergroup.unlink']),
  )
})

test('standard input is a file too', async () => {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  const environment = { DATABASE_URL: database.databaseUrl, MASTER_KEYS: generateMasterKey(), LOG_LEVEL: 'error' }
  const run = async (input: string, ...words: string[]) => {
    const { child, exited, output, errors } = spawnProcess('src/main.ts', words, environment)
    child.stdin?.end(input)
    expect([(await exited).code, errors()]).toEqual([0, ''])
    return output()
  }
  await run('', 'projects', 'create', 'shop')
  const content = '[{"name":"order.created","schema":{"type":"object"}}]'
  expect(await run(content, 'event-types', 'import', '-', '--project', 'shop')).toBe('Created 1, updated 0.\n')
  expect(await run('', 'event-types', 'list', '--project', 'shop')).toBe('order.created\tschema: FLAG\n')
})
