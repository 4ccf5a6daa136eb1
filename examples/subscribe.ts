/**
 * Prints the messages of a source as they come, and goes on where it stopped, also after a restart of either side: the
 * place after the last message is kept in a file.
 *
 *   HOOKLINE_KEY=hk_… npx -- node examples/subscribe.ts [source name] [cursor file]
 *
 * HOOKLINE_URL is the gateway's address, http://localhost:8787 unless given. The key needs the scopes READ and LISTEN.
 */
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Client, createClient } from 'graphql-ws'

interface MessageEvent {
  readonly __typename: string
  readonly cursor: string
  readonly fromSequence?: number | null
  readonly toSequence?: number | null
  readonly message?: { readonly id: string; readonly sequence: number; readonly text: string | null }
}

const subscription = `subscription ($sourceIds: [ID!]!, $after: [Cursor!]) {
  messageReceived(sourceIds: $sourceIds, after: $after) {
    __typename
    cursor
    ... on MessageReceived { message { id sequence text } }
    ... on MessagesSkipped { fromSequence toSequence }
  }
}`

const [sourceName = 'inbox', cursorFile = join(import.meta.dirname, `${sourceName}.cursor`)] = process.argv.slice(2)
const baseUrl = process.env.HOOKLINE_URL ?? 'http://localhost:8787'
const authorization = `Bearer ${process.env.HOOKLINE_KEY ?? ''}`
/** What connecting again does not mend: no key, a key that does not hold, a request that is wrong. */
const finalCloseCodes = [4400, 4401, 4403]

const client = createClient({
  url: `${baseUrl.replace(/^http/, 'ws')}/graphql`,
  connectionParams: { authorization },
  // Connecting again is our business: it has to go on after the latest cursor.
  retryAttempts: 0,
})

const sourceId = await findSource(sourceName)
let cursor = await readFile(cursorFile, 'utf8').catch(() => null)
for (;;) {
  try {
    await follow(client)
  } catch (error) {
    // Lost connections come as events of the WebSocket; errors of the gateway as a list, and bugs here as an Error.
    const code = error instanceof Event && 'code' in error ? Number(error.code) : 0
    if (finalCloseCodes.includes(code)) throw new Error(`the gateway refuses this client (${code})`)
    if (!(error instanceof Event)) throw error
    print('connection lost, trying again')
  }
  await delay(1_000)
}

/** Returns when the gateway ends the stream, as it does before it stops. */
async function follow({ iterate }: Client): Promise<void> {
  const variables = { sourceIds: [sourceId], after: cursor === null ? null : [cursor] }
  for await (const { data, errors } of iterate<{ messageReceived: MessageEvent }>({ query: subscription, variables })) {
    if (errors !== undefined) throw errors
    const event = data?.messageReceived
    if (event === undefined) continue
    handle(event)
    await keep(event.cursor)
  }
}

function handle({ __typename, message, fromSequence, toSequence }: MessageEvent): void {
  if (message !== undefined) print(`${message.sequence}  ${message.id}  ${message.text ?? '(not text)'}`)
  else if (__typename === 'MessagesSkipped') print(`gone before they were read: ${fromSequence} to ${toSequence}`)
  else if (__typename === 'CaughtUp') print('caught up, waiting')
}

/** After the event was handled: a crash in between hands it out once more. */
async function keep(place: string): Promise<void> {
  cursor = place
  await writeFile(`${cursorFile}.new`, place)
  await rename(`${cursorFile}.new`, cursorFile)
}

async function findSource(name: string): Promise<string> {
  const response = await fetch(`${baseUrl}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization },
    body: JSON.stringify({
      query: 'query ($name: String!) { source(by: { name: $name }) { id } }',
      variables: { name },
    }),
  })
  const { data, errors } = (await response.json()) as { data?: { source: { id: string } | null }; errors?: unknown }
  if (data?.source == null) throw new Error(`no source ${name}: ${JSON.stringify(errors ?? 'it does not exist')}`)
  return data.source.id
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
