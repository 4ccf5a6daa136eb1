/** Sends one operation over HTTP. @throws with the answer's errors. */
export async function graphql<Data>(
  baseUrl: string,
  token: string,
  query: string,
  variables: Record<string, unknown> = {},
): Promise<Data> {
  const response = await fetch(`${baseUrl}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query, variables }),
  })
  const answer = (await response.json()) as { data?: Data; errors?: unknown }
  if (answer.errors !== undefined || answer.data == null) throw new Error(JSON.stringify(answer))
  return answer.data
}

export interface CreatedSource {
  readonly id: string
  readonly ingressUrl: string
}

export async function createSource(
  baseUrl: string,
  token: string,
  input: Record<string, unknown>,
): Promise<CreatedSource> {
  const data = await graphql<{ createSource: { source?: CreatedSource } }>(
    baseUrl,
    token,
    `mutation ($input: CreateSourceInput!) {
      createSource(input: $input) {
        ... on SourcePayload { source { id ingressUrl } }
        ... on UserError { code message path }
      }
    }`,
    { input },
  )
  if (data.createSource.source === undefined) throw new Error(JSON.stringify(data))
  return data.createSource.source
}

export interface CreatedEndpoint {
  readonly id: string
  readonly secret: string
}

export async function createEndpoint(
  baseUrl: string,
  token: string,
  input: Record<string, unknown>,
): Promise<CreatedEndpoint> {
  const data = await graphql<{ createEndpoint: { endpoint?: { id: string }; secret: string } }>(
    baseUrl,
    token,
    `mutation ($input: CreateEndpointInput!) {
      createEndpoint(input: $input) {
        ... on CreateEndpointPayload { endpoint { id } secret }
        ... on UserError { code message path }
      }
    }`,
    { input },
  )
  if (data.createEndpoint.endpoint === undefined) throw new Error(JSON.stringify(data))
  return { id: data.createEndpoint.endpoint.id, secret: data.createEndpoint.secret }
}
