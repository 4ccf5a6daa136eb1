import type { Command } from './command.ts'

export const printSchema: Command = {
  name: 'print-schema',
  summary: 'Print the GraphQL schema. Needs no database.',
  operands: [],
  options: {},
  async run(_, context) {
    const app = await context.loadApp()
    context.print((await app.printSchema()).trimEnd())
    return 0
  },
}
