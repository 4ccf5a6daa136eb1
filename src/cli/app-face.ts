import type { Config } from '../config/index.ts'
import type { Logger } from '../kernel/log.ts'
import type { RunningApp } from '../running-app.ts'
import type { Toolbox } from '../toolbox.ts'

/** What the commands need of the application. It is loaded when a command needs it, so that `--help` answers at once. */
export interface AppFace {
  /** Starts the gateway. @throws CodedError that says what to do next; nothing is left running. */
  startApp(config: Config, log: Logger): Promise<RunningApp>
  /** Opens the database alone, also while a gateway runs on it. */
  openToolbox(config: Config, log: Logger): Promise<Toolbox>
  /** The GraphQL schema in SDL. Needs no database. */
  printSchema(): string | Promise<string>
}
