import type { SealedCount } from '../toolbox.ts'
import { type CliContext, type Command, Failure } from './command.ts'
import { withToolbox } from './with-toolbox.ts'

export const rewrapSecrets: Command = {
  name: 'secrets rewrap',
  summary: 'Seal all secrets under the first master key, so that older ones may go.',
  operands: [],
  options: {
    'dry-run': { value: null, description: 'Change nothing: tell how many secrets are under which master key.' },
  },
  details: `To change the master key:
  1. Put the new one before the old one in MASTER_KEYS (or, without it, in the file master-keys of
     DATA_DIR) and restart every gateway: from then on it seals new secrets.
  2. Run this command with the same MASTER_KEYS, beside the running gateways. What is cut short goes on
     where it stood when it is run again.
  3. Take the old one out and restart. A start that still needs it is refused, and names it.`,
  async run({ switches }, context) {
    if (switches.has('dry-run')) {
      const counts = await withToolbox(context, (toolbox) => toolbox.countSealedValues())
      if (counts.length === 0) context.print('There are no sealed secrets.')
      for (const count of counts) context.print(rowOf(count))
      return 0
    }
    return await run(context)
  },
}

async function run(context: CliContext): Promise<number> {
  const { report, counts } = await withToolbox(context, async (toolbox) => ({
    report: await toolbox.rewrapSecrets(),
    counts: await toolbox.countSealedValues(),
  }))
  context.print(`Sealed ${report.resealedCount} again.`)
  for (const count of counts) context.print(rowOf(count))
  if (report.firstBroken !== null) {
    throw new Failure(
      `${report.brokenCount} could not be opened and were left as they are; the first: ${report.firstBroken.message}.`,
    )
  }
  const left = counts.filter(({ key }) => key !== 'current')
  if (left.length === 0) return 0
  const names = left.map(({ keyId }) => `"${keyId}"`).join(', ')
  throw new Failure(
    `Meanwhile more was sealed under ${names}: a gateway still has another first key. Restart it with the same ` +
      'MASTER_KEYS, and run this again.',
  )
}

const roles = { current: 'the current key', former: 'a former key', missing: 'not given' } as const

function rowOf({ keyId, count, key }: SealedCount): string {
  return [keyId, count, roles[key]].join('\t')
}
