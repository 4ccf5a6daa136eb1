import type { Command } from './command.ts'
import { expectDone, withToolbox } from './with-toolbox.ts'

export const createProject: Command = {
  name: 'projects create',
  summary: 'Create a project: a tenant with sources, endpoints and keys of its own.',
  operands: ['name'],
  options: {},
  async run({ operands }, context) {
    const project = await withToolbox(context, (toolbox) => toolbox.createProject(operands.name ?? ''))
    context.print(expectDone(project).id)
    return 0
  },
}
