import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export const root = join(import.meta.dirname, '../..')

/** The text of every source file of the product; tests and generated files are left out. */
export function sourceTexts(): string[] {
  return globSync('src/**/*.ts', { cwd: root })
    .filter((file) => !file.endsWith('.test.ts') && !file.startsWith('src/generated/'))
    .map((file) => readFileSync(join(root, file), 'utf8'))
}
