import { GraphQLNonNull, GraphQLObjectType, GraphQLSchema, GraphQLString, parse, validateExecutionArgs } from 'graphql'
import { expect, test } from 'vitest'
import type { Viewer } from '../auth/viewer.ts'
import { newId } from '../kernel/ids.ts'
import type { Context } from './context.ts'
import { createEventExecution } from './event-execution.ts'
import type { PreparedOperation } from './operations.ts'
import type { Execution } from './shared-results.ts'

let executions = 0
const text = { type: new GraphQLNonNull(GraphQLString) }
const Event = new GraphQLObjectType<object, Context>({
  name: 'Event',
  fields: {
    keyId: { ...text, resolve: (_event, _args, { viewer }) => viewer.keyId },
    projectId: { ...text, resolve: (_event, _args, { viewer }) => viewer.projectId },
  },
})
const happened = { type: Event, extensions: { placeArguments: [] }, resolve: () => ({ number: ++executions }) }
const schema = new GraphQLSchema({
  query: new GraphQLObjectType({ name: 'Query', fields: { none: text } }),
  subscription: new GraphQLObjectType({ name: 'Subscription', fields: { happened } }),
})

const projectId = newId('prj')
const handlingOf = createEventExecution({
  contextOf: (viewer) => ({ viewer }) as Context,
  mask: (result) => result,
})

function subscriberOf(query: string) {
  const viewer: Viewer = {
    keyId: newId('key'),
    projectId,
    scopes: new Set(['listen']),
    sourceIds: null,
    expiresAt: null,
  }
  const args = { schema, document: parse(query), operationName: null, variableValues: null }
  const validated = validateExecutionArgs(args)
  const handling = handlingOf({ ...args, validated, caller: { viewer, requestId: '' } } as unknown as PreparedOperation)
  const executed = (event: object) =>
    new Promise<Execution>((resolve, reject) => {
      const known = handling.execute(event, { executed: resolve, failed: reject })
      if (known !== null) resolve(known)
    })
  const told = async (event: object) => String(handling.shown(await executed(event)).json)
  return { viewer, told }
}

test.each([
  ['shared by all with the same rights', 'projectId', 1],
  ['not shared when a field shows whose key it is', 'keyId', 3],
] as const)('a result is %s', async (_what, field, wanted) => {
  const subscribers = [1, 2, 3].map(() => subscriberOf(`subscription { happened { ${field} } }`))
  const before = executions
  const event = {}
  const told = await Promise.all(subscribers.map((subscriber) => subscriber.told(event)))
  expect(told).toEqual(
    subscribers.map(({ viewer }) => JSON.stringify({ data: { happened: { [field]: viewer[field] } } })),
  )
  expect(executions - before).toBe(wanted)
})
