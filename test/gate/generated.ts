import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { generate } from '@graphql-codegen/cli'
import config from '../../codegen.ts'
import { printSchemaText } from '../../src/graphql/print-schema.ts'

/** Part of the gate: `schema.graphql` is the schema that the code makes, and the generated code is that of the schema. */
const root = join(import.meta.dirname, '../..')

const stale: string[] = []
if (printSchemaText().trim() !== (await readFile(join(root, 'schema.graphql'), 'utf8')).trim())
  stale.push('schema.graphql')
for (const { filename, content } of await generate(
  { ...config, cwd: root, silent: true, noSilentErrors: true },
  false,
)) {
  const current = await readFile(join(root, filename), 'utf8').catch(() => '')
  if (current !== content) stale.push(filename)
}
if (stale.length > 0) {
  console.error(`Out of date: ${stale.join(', ')}. Run: npm run codegen`)
  process.exitCode = 1
}
