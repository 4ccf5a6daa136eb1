import { builder } from '../graphql/builder.ts'
import type { Context } from '../graphql/context.ts'
import { contextLoader } from '../graphql/context-loader.ts'
import { addNodeKind } from '../graphql/node.ts'
import type { ProjectId } from '../kernel/ids.ts'
import { findProject } from './find-project.ts'
import type { Project } from './project.entity.ts'

export const ProjectNode = builder.objectRef<Project>('Project')

builder.node(ProjectNode, {
  description:
    'The tenant: all else belongs to one. It is created on the server (`hookline projects create`): no key reaches beyond its own.',
  id: { resolve: (project) => project.id, description: '`prj_…`' },
  fields: (t) => ({
    name: t.exposeString('name', {
      description: 'Lower-case name, unique in this installation.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the project was created.' }),
  }),
})

builder.queryField('project', (t) =>
  t.field({
    type: ProjectNode,
    description: 'The project that the key opens.',
    resolve: (_root, _args, context) => ownProject(context),
  }),
)

addNodeKind('prj', {
  typename: 'Project',
  scope: 'read',
  load: async (context, id) => (id === context.viewer.projectId ? await ownProject(context) : null),
})

const projectById = contextLoader<ProjectId, Project>(async ({ services }, ids) => {
  const projects = await Promise.all(ids.map((id) => findProject(services, { id })))
  return new Map(projects.filter((project) => project !== null).map((project) => [project.id, project]))
})

/** The viewer's project: a key reaches no other. */
export async function ownProject(context: Context): Promise<Project> {
  const project = await projectById(context, context.viewer.projectId)
  if (project === null) throw new Error(`key ${context.viewer.keyId} opens no project`)
  return project
}
