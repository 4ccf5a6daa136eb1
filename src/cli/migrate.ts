import type { Command } from './command.ts'
import { withToolbox } from './with-toolbox.ts'

export const migrate: Command = {
  name: 'migrate',
  summary: 'Bring the database to this version. A starting gateway does so by itself.',
  operands: [],
  options: {},
  async run(_, context) {
    await withToolbox(context, (toolbox) => toolbox.migrate())
    context.print('The database is up to date.')
    return 0
  },
}
