import { version } from '../kernel/version.ts'
import { type CliContext, UsageError } from './command.ts'
import { parseCommandLine } from './command-line.ts'
import { commands } from './commands.ts'
import { explainError } from './explain-error.ts'
import { commandHelp, programHelp } from './help.ts'

/**
 * Runs the command that `argv` asks for.
 *
 * @param argv the words behind the program's name.
 * @returns the exit code: 0 when all went well, 1 when something failed, 2 when the command line does not fit.
 */
export async function runCli(argv: readonly string[], context: CliContext): Promise<number> {
  try {
    return await run(argv, context)
  } catch (error) {
    if (error instanceof UsageError) {
      const help = ['hookline', error.commandName, '--help'].filter((word) => word !== '').join(' ')
      context.printError(`hookline: ${error.message}. Try: ${help}`)
      return 2
    }
    context.printError(`hookline: ${explainError(error)}`)
    return 1
  }
}

async function run(argv: readonly string[], context: CliContext): Promise<number> {
  const line = parseCommandLine(argv, commands)
  switch (line.kind) {
    case 'version':
      context.print(version)
      return 0
    case 'help':
      context.print(line.commands === commands ? programHelp(commands) : commandHelp(line.commands))
      return 0
    case 'run':
      return await line.command.run(line.input, context)
  }
}
