import { allows } from '../auth/viewer.ts'
import { builder } from './builder.ts'
import type { Context } from './context.ts'
import { kindOfId } from './node.ts'
import { badUserInput, requestError } from './request-error.ts'

const maxNodes = 100

builder.queryField('node', (t) =>
  t.field({
    type: builder.nodeInterfaceRef(),
    description: 'Any object by its id.',
    nullable: true,
    args: { id: t.arg.id({ required: true, description: 'Of any kind.' }) },
    resolve: (_root, { id }, context) => loadNode(context, id),
  }),
)

builder.queryField('nodes', (t) =>
  t.field({
    type: [builder.nodeInterfaceRef()],
    description: 'Objects by their ids, in the order given.',
    nullable: { list: false, items: true },
    args: { ids: t.arg.idList({ required: true, description: 'Of any kind; 1 to 100.' }) },
    resolve: (_root, { ids }, context) => {
      if (ids.length < 1 || ids.length > maxNodes) throw badUserInput('`ids` needs 1 to 100 ids.')
      return ids.map((id) => loadNode(context, id))
    },
  }),
)

async function loadNode(context: Context, id: string): Promise<object | null> {
  const kind = kindOfId(id)
  if (kind === null) return null
  if (!allows(context.viewer, kind.scope)) {
    throw requestError(
      'FORBIDDEN',
      `The key may not read ${kind.typename}: it lacks the scope ${kind.scope.toUpperCase()}.`,
    )
  }
  return await kind.load(context, id)
}
