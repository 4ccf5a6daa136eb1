import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'

const usage = `Usage: npm run fuzz -- [--requests 20000] [--seed N]

Sends requests that are wrong in all imaginable ways to a gateway with sources of every kind, over raw sockets. None may be
answered with 500, none may stop the process, and what was acknowledged must be stored as it was sent. A failure tells
the seed that repeats it.`

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '20000' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) console.log(usage)
else if (!/^[1-9]\d{0,7}$/.test(values.requests) || !/^\d{1,10}$/.test(values.seed)) {
  console.error('--requests and --seed need whole numbers')
  process.exitCode = 2
} else {
  const environment = { ...process.env, FUZZ_REQUESTS: values.requests, FUZZ_SEED: values.seed }
  const run = spawnSync('vitest', ['run', 'test/fuzz'], { stdio: 'inherit', env: environment })
  process.exitCode = run.status ?? 1
}
