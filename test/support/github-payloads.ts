import { createRequire } from 'node:module'

/** Every payload that GitHub documents, as the text that is sent. */
export const githubPayloads: readonly { readonly event: string; readonly text: string }[] = (
  createRequire(import.meta.url)('@octokit/webhooks-examples') as { name: string; examples: unknown[] }[]
).flatMap(({ name, examples }) => examples.map((payload) => ({ event: name, text: JSON.stringify(payload) })))
