import type { AppFace } from '../../src/cli/app-face.ts'
import { runCli } from '../../src/cli/run-cli.ts'
import { CodedError } from '../../src/kernel/coded-error.ts'

/*
 * The command line around an application that starts and stops as the test asks, one line of output per step: for what
 * only a process of its own can show, such as signals and exit codes. SCRIPT: `run`, `start-slowly`, `start-never`,
 * `refuse`, `stop-never`, `crash`, `reject`. FIRST_ADMIN_TOKEN makes it an installation's first start.
 */
const script = process.env.SCRIPT ?? 'run'
const say = (text: string) => process.stdout.write(`${text}\n`)
// Stands for the sockets of a real gateway: without it the process would end by itself.
const alive = setInterval(() => {}, 1_000)

const app: AppFace = {
  async startApp() {
    say('starting')
    if (script === 'refuse')
      throw new CodedError('PORT_IN_USE', 'Port 1 is in use. Set PORT.', { cause: new Error('x') })
    if (script === 'start-never') await new Promise(() => {})
    // The test sends a line when it wants the start to end.
    if (script === 'start-slowly') await new Promise((resolve) => process.stdin.once('data', resolve))
    if (script === 'crash')
      setImmediate(() => {
        throw new Error('bug')
      })
    if (script === 'reject') void Promise.reject(new Error('bug'))
    return {
      urls: { base: 'http://localhost:8787', graphiql: 'http://localhost:8787/graphql' },
      firstAdminToken: process.env.FIRST_ADMIN_TOKEN ?? null,
      exampleIngressUrl: null,
      notices: [],
      broken: new Promise(() => {}),
      async stop() {
        say('draining')
        if (script === 'stop-never') await new Promise(() => {})
        clearInterval(alive)
        process.stdin.destroy()
        say('drained')
      },
    }
  },
  openToolbox: () => Promise.reject(new Error('not in this script')),
  printSchema: () => 'type Query',
}

process.exitCode = await runCli(process.argv.slice(2), {
  environment: process.env,
  loadApp: async () => app,
  print: say,
  printError: (text) => process.stderr.write(`${text}\n`),
  isTerminal: false,
})
setTimeout(() => process.exit(), 1_000).unref()
