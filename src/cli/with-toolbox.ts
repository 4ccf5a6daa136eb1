import type { Outcome } from '../kernel/outcome.ts'
import type { Toolbox } from '../toolbox.ts'
import { type CliContext, Failure } from './command.ts'
import { configOf, logOf } from './config-of.ts'
import { describeFailure } from './describe-failure.ts'
import { reported } from './explain-error.ts'

/** Runs `work` on the database, without a server, and closes it whatever happens. */
export async function withToolbox<Result>(
  context: CliContext,
  work: (toolbox: Toolbox) => Promise<Result>,
): Promise<Result> {
  const config = configOf(context)
  // A short command tells its result; what the log has to say about the way there matters when something is odd.
  const log = logOf(context, { ...config, logLevel: config.logLevel === 'info' ? 'warn' : config.logLevel })
  try {
    const { openToolbox } = await context.loadApp()
    const toolbox = await openToolbox(config, log)
    return await work(toolbox).finally(() => toolbox.close())
  } catch (error) {
    throw reported(error, log)
  }
}

/** @throws Failure saying why nothing was done. */
export function expectDone<Value>(outcome: Outcome<Value>): Value {
  if (outcome.kind === 'done') return outcome.value
  throw new Failure(describeFailure(outcome))
}
