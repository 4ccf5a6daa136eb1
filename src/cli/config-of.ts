import { type Config, describeProblems, parseConfig } from '../config/index.ts'
import { createLog, type Logger } from '../kernel/log.ts'
import { type CliContext, Failure } from './command.ts'

/** @throws Failure telling every mistake in the environment. */
export function configOf({ environment }: CliContext): Config {
  const result = parseConfig(environment)
  if (result.kind === 'valid') return result.config
  throw new Failure(`${describeProblems(result.problems)}\n"hookline --help" lists all variables.`)
}

export function logOf({ isTerminal }: CliContext, { logLevel }: Config): Logger {
  return createLog({ level: logLevel, isPretty: isTerminal })
}
