import type { RunningApp } from '../app.ts'
import type { ApiKey, Scope } from '../auth/index.ts'
import type { Config } from '../config/index.ts'
import type { Logger } from '../kernel/log.ts'
import type { Outcome } from '../kernel/outcome.ts'

/** What the commands need of the application. It is loaded when a command needs it, so that `--help` answers at once. */
export interface AppFace {
  /** Starts the gateway. @throws CodedError that says what to do next; nothing is left running. */
  startApp(config: Config, log: Logger): Promise<RunningApp>
  /** Opens the database alone, also while a gateway runs on it. */
  openToolbox(config: Config, log: Logger): Promise<Toolbox>
  /** The GraphQL schema in SDL. Needs no database. */
  printSchema(): string | Promise<string>
}

/** What an operator does beside the running gateway. Projects and sources are given by name. */
export interface Toolbox {
  /** Brings the database to this version. Several at a time wait for each other. */
  migrate(): Promise<void>
  createProject(name: string): Promise<Outcome<{ readonly id: string }>>
  createApiKey(input: NewApiKey): Promise<Outcome<{ readonly id: string; readonly token: string }>>
  /** The latest 100, revoked ones included. */
  listApiKeys(project: string): Promise<Outcome<readonly ListedApiKey[]>>
  /** Ends a key, whatever project it belongs to. Revoking twice is no failure. */
  revokeApiKey(id: string): Promise<Outcome<unknown>>
  close(): Promise<void>
}

export interface NewApiKey {
  readonly project: string
  readonly name: string
  readonly scopes: readonly Scope[]
  /** null: all of the project, also later ones. */
  readonly sources: readonly string[] | null
  /** null: never. */
  readonly expiresAt: Date | null
}

export type ListedApiKey = Pick<ApiKey, 'id' | 'name' | 'scopes' | 'createdAt'> & {
  readonly expiresAt?: Date | null | undefined
  readonly revokedAt?: Date | null | undefined
}
