import type { Command } from './command.ts'
import { importEventTypes, listEventTypes } from './event-types.ts'
import { createKey, listKeys, revokeKey } from './keys.ts'
import { listen } from './listen.ts'
import { login, logout } from './login.ts'
import { migrate } from './migrate.ts'
import { printSchema } from './print-schema.ts'
import { createProject } from './projects.ts'
import { rewrapSecrets } from './secrets.ts'
import { serve } from './serve.ts'

/** All there are, in the order of `--help`. */
export const commands: readonly Command[] = [
  serve,
  listen,
  login,
  logout,
  migrate,
  createProject,
  createKey,
  listKeys,
  revokeKey,
  importEventTypes,
  listEventTypes,
  rewrapSecrets,
  printSchema,
]
