/** Configuration: from the environment alone, checked as a whole before anything starts. */
export { baseUrlOf } from './base-url.ts'
export { type Config, type ConfigProblem, type ConfigResult, describeProblems, parseConfig } from './config.ts'
export { type Environment, readEnvironment } from './env.ts'
export { settingVariables } from './settings.ts'
export { settingsTable } from './settings-table.ts'
