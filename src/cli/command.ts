import type { Environment } from '../config/index.ts'
import type { AppFace } from './app-face.ts'

/** One command of the program. */
export interface Command {
  /** One word or two, such as `keys create`. */
  readonly name: string
  readonly summary: string
  /** Words that must follow, by name. */
  readonly operands: readonly string[]
  readonly options: Readonly<Record<string, CommandOption>>
  /** What `--help` says beneath the options. */
  readonly details?: string
  /**
   * @returns the exit code.
   * @throws UsageError when words or options do not fit; anything else is explained to the user.
   */
  run(input: CommandInput, context: CliContext): Promise<number>
}

export interface CommandOption {
  /** What stands behind the option, such as `<name>`; null for a switch, which takes nothing. */
  readonly value: string | null
  readonly description: string
  readonly isRequired?: boolean
}

/** Checked: every operand and every required option is there. */
export interface CommandInput {
  readonly operands: Readonly<Record<string, string>>
  readonly options: Readonly<Record<string, string | undefined>>
  /** The switches that were given. */
  readonly switches: ReadonlySet<string>
}

/** Where `print` prints to when a person sits before it. */
export interface Terminal {
  columns(): number
  /** Writes without ending the line. */
  write(text: string): void
}

/** What surrounds a command: replaced as a whole in tests. */
export interface CliContext {
  readonly environment: Environment
  readonly loadApp: () => Promise<AppFace>
  /** Prints a line for the user or the next program. */
  readonly print: (text: string) => void
  /** Prints a line about what went wrong, or aside. */
  readonly printError: (text: string) => void
  /** Whether log lines go to a terminal. */
  readonly isTerminal: boolean
  /** Absent when `print` prints to a file or another program. */
  readonly terminal?: Terminal
}

/** The command line does not fit the command: exit code 2. */
export class UsageError extends Error {
  /** What to ask for help with; empty for the program itself. */
  readonly commandName: string

  constructor(message: string, commandName: string) {
    super(message)
    this.name = 'UsageError'
    this.commandName = commandName
  }
}

/** Something failed and is explained already: exit code 1. */
export class Failure extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'Failure'
  }
}
