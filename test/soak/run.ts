import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'

const usage = `Usage: npm run soak -- [--rounds 50] [--seed N]

Kills servers, workers and connections under load, many times, and judges the whole history at the end: acknowledged but
missing, changed, twice in the stream, out of order, never delivered. Each must be 0. What happens by chance is printed as
a seed, which repeats it.`

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '50' },
    seed: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) console.log(usage)
else if (!/^[1-9]\d{0,4}$/.test(values.rounds)) {
  console.error(`--rounds is ${JSON.stringify(values.rounds)}: expected a whole number from 1 to 99999`)
  process.exitCode = 2
} else if (!/^\d{1,10}$/.test(values.seed ?? '0')) {
  console.error('--seed needs a whole number')
  process.exitCode = 2
} else {
  const seed = values.seed === undefined ? {} : { SOAK_SEED: values.seed }
  const environment = { ...process.env, ...seed, SOAK_ROUNDS: values.rounds }
  const run = spawnSync('vitest', ['run', 'test/soak'], { stdio: 'inherit', env: environment })
  process.exitCode = run.status ?? 1
}
