import { parseArgs } from 'node:util'
import { type Command, type CommandInput, UsageError } from './command.ts'

export type CommandLine =
  | { readonly kind: 'run'; readonly command: Command; readonly input: CommandInput }
  /** With several commands: those that begin with the words given. */
  | { readonly kind: 'help'; readonly commands: readonly Command[] }
  | { readonly kind: 'version' }

/**
 * Understands the words behind the program's name; none mean the first command.
 *
 * @throws UsageError for an unknown command or option, or a missing one.
 */
export function parseCommandLine(argv: readonly string[], commands: readonly Command[]): CommandLine {
  const firstOption = argv.findIndex((word) => word.startsWith('-'))
  const words = firstOption === -1 ? argv : argv.slice(0, firstOption)
  const isAskingForHelp = argv.includes('--help') || argv.includes('-h')
  if (words.length === 0) {
    if (isAskingForHelp) return { kind: 'help', commands }
    if (argv[0] === '--version' || argv[0] === '-v') return { kind: 'version' }
  }
  const command = words.length === 0 ? commands[0] : findCommand(words, commands)
  if (command !== undefined && isAskingForHelp) return { kind: 'help', commands: [command] }
  if (command !== undefined) {
    const nameLength = words.length === 0 ? 0 : command.name.split(' ').length
    return { kind: 'run', command, input: parseInput(command, argv.slice(nameLength)) }
  }
  const group = commands.filter(({ name }) => name.startsWith(`${words[0]} `))
  if (group.length > 0 && words.length === 1 && isAskingForHelp) return { kind: 'help', commands: group }
  throw unknownCommand(words, group)
}

function findCommand(words: readonly string[], commands: readonly Command[]): Command | undefined {
  return commands.find(({ name }) => name.split(' ').every((word, index) => word === words[index]))
}

function unknownCommand(words: readonly string[], group: readonly Command[]): UsageError {
  const [first = '', second] = words
  if (group.length === 0) return new UsageError(`there is no command "${first}"`, '')
  const known = group.map(({ name }) => name.slice(first.length + 1)).join(', ')
  const message =
    second === undefined ? `"${first}" needs one of: ${known}` : `"${first}" knows no "${second}", only: ${known}`
  return new UsageError(message, first)
}

function parseInput(command: Command, args: string[]): CommandInput {
  const { values, switches, positionals } = parseStrictly(command, args)
  const missing = Object.keys(command.options).filter(
    (name) => command.options[name]?.isRequired === true && values[name] === undefined,
  )
  if (missing.length > 0) {
    throw new UsageError(`${missing.map((name) => `--${name}`).join(', ')} must be given`, command.name)
  }
  const operands: Record<string, string> = {}
  for (const [index, name] of command.operands.entries()) {
    const word = positionals[index]
    if (word === undefined) throw new UsageError(`<${name}> must be given`, command.name)
    operands[name] = word
  }
  const surplus = positionals[command.operands.length]
  if (surplus !== undefined) throw new UsageError(`"${surplus}" is one word too many`, command.name)
  return { operands, options: values, switches }
}

interface ParsedArgs {
  readonly values: Record<string, string | undefined>
  readonly switches: Set<string>
  readonly positionals: string[]
}

function parseStrictly(command: Command, args: string[]): ParsedArgs {
  const options = Object.fromEntries(
    Object.entries(command.options).map(([name, { value }]) => [
      name,
      { type: value === null ? ('boolean' as const) : ('string' as const) },
    ]),
  )
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true, strict: true })
    const given = Object.entries(values)
    return {
      values: Object.fromEntries(given.filter((option): option is [string, string] => typeof option[1] === 'string')),
      switches: new Set(given.flatMap(([name, value]) => (value === true ? [name] : []))),
      positionals,
    }
  } catch (error) {
    const [sentence = ''] = error instanceof Error ? error.message.split('. ') : []
    throw new UsageError(
      sentence.replace(/^./, (letter) => letter.toLowerCase()),
      command.name,
    )
  }
}
