import type { Gateway } from './gateway.ts'

const createEndpoint = `mutation ($input: CreateEndpointInput!) {
  createEndpoint(input: $input) {
    __typename
    ... on CreateEndpointPayload { endpoint { id } }
    ... on UserError { message }
  }
}`

export async function openEndpoint(gateway: Gateway, input: { url: string; sourceIds: string[] }): Promise<void> {
  const { createEndpoint: answer } = await gateway.graphql<{
    createEndpoint: { endpoint?: { id: string }; message?: string }
  }>(createEndpoint, { input })
  if (answer.endpoint === undefined) {
    throw new Error(`no endpoint: ${answer.message}`)
  }
}
