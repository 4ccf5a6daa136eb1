import { afterAll, beforeAll, expect, test } from 'vitest'
import { codesOf, dataOf, run } from './client.ts'
import { type Gateway, startGateway } from './gateway.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway.close())

test('a key sees itself, its project and its sources', async () => {
  const project = await gateway.newProject()
  const { id, token } = await project.key(['admin'])
  const source = await project.source('orders')
  const data = await dataOf(
    { ...gateway, token },
    `{
    viewer { id name scopes sources { id } expiresAt project { id } }
    project { id }
    sources { totalCount nodes { id name ingressUrl verification { preset } maxBodyBytes firstSequence lastSequence } pageInfo { hasNextPage hasPreviousPage } }
  }`,
  )
  expect(data).toMatchObject({
    viewer: { id, scopes: ['ADMIN'], sources: null, expiresAt: null, project: { id: project.id } },
    project: { id: project.id },
    sources: {
      totalCount: 1,
      nodes: [
        {
          id: source.id,
          name: 'orders',
          verification: null,
          maxBodyBytes: 1_048_576,
          firstSequence: 1,
          lastSequence: 0,
        },
      ],
      pageInfo: { hasNextPage: false, hasPreviousPage: false },
    },
  })
  expect(data.sources.nodes[0].ingressUrl).toMatch(/^https:\/\/hooks\.example\/in\/[\w-]{43}$/)
})

test('x', async () => {
  const project = await gateway.newProject()
  const { token } = await project.key(['read'])
  expect(codesOf(await run({ ...gateway, token }, '{ apiKeys { nodes { id } } }'))).toEqual(['FORBIDDEN'])
})
