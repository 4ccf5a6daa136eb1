import type { Reach } from '../auth/viewer.ts'
import { builder } from '../graphql/builder.ts'
import type { Context } from '../graphql/context.ts'
import { contextLoader } from '../graphql/context-loader.ts'
import { addNodeKind } from '../graphql/node.ts'
import { requestError } from '../graphql/request-error.ts'
import { type Done, outcomeType, resultOf, ValidationError } from '../graphql/user-errors.ts'
import type { ProjectId } from '../kernel/ids.ts'
import { findProject } from './find-project.ts'
import { RateLimitInput, RateLimitType, RetentionInput, RetentionType } from './limits.graphql.ts'
import type { Project } from './project.entity.ts'
import { updateProject } from './update-project.ts'

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
    rateLimit: t.expose('rateLimit', {
      type: RateLimitType,
      description: 'How many ingress requests all sources together accept; null when unlimited.',
      nullable: true,
    }),
    retention: t.field({
      type: RetentionType,
      description: 'How long messages are kept where the source says nothing.',
      resolve: ({ retention }, _args, { services }) => retention ?? services.defaultRetention,
    }),
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

const UpdateProjectInput = builder.inputType('UpdateProjectInput', {
  description: "Changes the project's ceilings. Fields left out stay as they are.",
  fields: (t) => ({
    rateLimit: t.field({
      type: RateLimitInput,
      description: 'How many ingress requests all sources together accept; null is unlimited.',
    }),
    retention: t.field({
      type: RetentionInput,
      description: "How long messages are kept where the source says nothing; null is the server's default.",
    }),
  }),
})

const ProjectPayload = builder.objectRef<Done<Project>>('ProjectPayload').implement({
  description: 'The project as it now is.',
  fields: (t) => ({
    project: t.field({ type: ProjectNode, description: 'The changed project.', resolve: ({ value }) => value }),
  }),
})

const UpdateProjectResult = builder.unionType('UpdateProjectResult', {
  description: 'Answer of `updateProject`.',
  types: [ProjectPayload, ValidationError],
  resolveType: outcomeType('ProjectPayload'),
})

builder.mutationField('updateProject', (t) =>
  t.field({
    type: UpdateProjectResult,
    description: "Changes the project's ceilings. Scope: ADMIN, of a key that is not limited to some sources.",
    skipTypeScopes: true,
    authScopes: { scope: 'admin' },
    args: { input: t.arg({ type: UpdateProjectInput, required: true, description: 'What to change.' }) },
    resolve: async (_root, { input }, { services, viewer }) =>
      resultOf(await updateProject(services, wholeProjectOf(viewer), input), 'invalid'),
  }),
)

// What holds for the project would hold for sources that the key may not use.
function wholeProjectOf({ projectId, sourceIds }: Reach): ProjectId {
  if (sourceIds !== null) throw requestError('FORBIDDEN', 'The key is limited to some sources of the project.')
  return projectId
}
