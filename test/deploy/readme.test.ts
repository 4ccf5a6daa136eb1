import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { buildSchema, parse, validate } from 'graphql'
import { expect, test } from 'vitest'
import { settingsTable } from '../../src/config/index.ts'
import { root } from './source-files.ts'

const guides = readdirSync(join(root, 'docs')).map((file) => `docs/${file}`)
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...guides,
  'examples/README.md',
  'examples/agent/README.md',
  'examples/pim-event-types/README.md',
  'examples/receivers/README.md',
]
const textOf = (file: string): string => readFileSync(join(root, file), 'utf8')
const readme = textOf('README.md')
const scripts = Object.keys((JSON.parse(textOf('package.json')) as { scripts: Record<string, string> }).scripts)

/** Scripts that npm knows by itself. */
const ownCommands = ['ci', 'cit', 'start', 'test']

/** A Markdown table without the spaces and dashes that a formatter adds. */
function cellsOf(table: string): string[][] {
  const lines = table.trim().split('\n')
  return lines.map((line) => line.split('|').map((cell) => cell.trim().replace(/^-+$/, '-')))
}

test('the table of settings is the one that the gateway reads', () => {
  const table = /<!-- settings: begin -->\n\n([\s\S]*)\n<!-- settings: end -->/.exec(readme)?.[1]
  expect(cellsOf(table ?? '')).toEqual(cellsOf(settingsTable('markdown')))
})

test.each(pages)('the links of %s lead to files that exist', (page) => {
  const targets = [...textOf(page).matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g)].map((match) => match[1] ?? '')
  const missing = targets.filter((target) => !existsSync(join(root, dirname(page), target)))
  expect(missing).toEqual([])
})

test.each(pages)('the npm scripts that %s names exist', (page) => {
  const named = [...textOf(page).matchAll(/\bnpm (?:run )?(?:-s )?([a-z][a-z:]*)/g)].map((match) => match[1] ?? '')
  expect(named.filter((name) => !scripts.includes(name) && !ownCommands.includes(name))).toEqual([])
})

test.each(['README.md', ...guides])('the operations in %s fit the schema', (page) => {
  const schema = buildSchema(textOf('schema.graphql'))
  const operations = [...textOf(page).matchAll(/^```graphql\n([\s\S]*?)^```/gm)].map((match) => match[1] ?? '')
  if (page === 'README.md') expect(operations.length).toBeGreaterThan(2)
  for (const operation of operations) expect(validate(schema, parse(operation)), operation).toEqual([])
})

test('each guarantee names tests that exist', () => {
  const section = /\n## Guarantees\n([\s\S]*?)\n## /.exec(readme)?.[1] ?? ''
  const named = [...section.matchAll(/\[([^\]]+)\]\(([^)]+\.test\.ts)\)/g)].map(([, name = '', file = '']) => ({
    name,
    file,
  }))
  expect(named.length).toBeGreaterThan(8)
  expect(named.filter(({ name, file }) => !textOf(file).includes(name))).toEqual([])
})
