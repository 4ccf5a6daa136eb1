import { settingsTable } from '../config/index.ts'
import { version } from '../kernel/version.ts'
import type { Command } from './command.ts'

/** What `hookline --help` prints: commands and every environment variable. */
export function programHelp(commands: readonly Command[]): string {
  return [
    `hookline ${version}: a self-hosted webhook gateway with a GraphQL API`,
    '',
    'Usage: hookline [command] [options]',
    '',
    'Commands:',
    ...commands.map(({ name, summary }, index) => row(name, index === 0 ? `${summary} (the default)` : summary)),
    '',
    'Options:',
    row('-h, --help', 'Help, also for one command: hookline keys create --help'),
    row('-v, --version', 'Print the version.'),
    '',
    'Configuration is taken from environment variables alone:',
    settingsTable('text').trimEnd(),
  ].join('\n')
}

/** What `hookline keys create --help` prints; several commands one below the other. */
export function commandHelp(commands: readonly Command[]): string {
  return commands.map(oneCommandHelp).join('\n\n')
}

function oneCommandHelp({ name, summary, operands, options, details }: Command): string {
  const optionRows = Object.entries(options).map(([option, { value, description, isRequired }]) =>
    row(
      value === null ? `--${option}` : `--${option} ${value}`,
      isRequired === true ? `${description} Required.` : description,
    ),
  )
  const usage = [
    'hookline',
    name,
    ...operands.map((operand) => `<${operand}>`),
    ...(optionRows.length > 0 ? ['[options]'] : []),
  ]
  return [
    `Usage: ${usage.join(' ')}`,
    '',
    summary,
    ...(optionRows.length > 0 ? ['', 'Options:', ...optionRows] : []),
    ...(details === undefined ? [] : ['', details]),
  ].join('\n')
}

function row(left: string, right: string): string {
  return `  ${left.padEnd(21)} ${right}`
}
