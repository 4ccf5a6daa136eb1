import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'

const usage = `Usage: npm run soak -- [--rounds 50]

Kills servers, workers and connections under load, many times, and judges the whole history at the end: acknowledged but
missing, changed, twice in the stream, out of order, never delivered. Each must be 0.`

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '50' }, help: { type: 'boolean', default: false } },
})
if (values.help) console.log(usage)
else if (!/^[1-9]\d{0,4}$/.test(values.rounds)) {
  console.error(`--rounds is ${JSON.stringify(values.rounds)}: expected a whole number from 1 to 99999`)
  process.exitCode = 2
} else {
  const environment = { ...process.env, SOAK_ROUNDS: values.rounds }
  const run = spawnSync('vitest', ['run', 'test/soak'], { stdio: 'inherit', env: environment })
  process.exitCode = run.status ?? 1
}
