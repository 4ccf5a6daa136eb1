import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { Resources } from './resources.ts'

/** A process of the bench's own: it says once that it is ready, then answers one command at a time. */
export interface Child<Protocol extends ChildProtocol> {
  readonly pid: number
  readonly ready: Protocol['ready']
  ask(command: Protocol['command']): Promise<Protocol['answer']>
}

export interface ChildProtocol {
  readonly settings: unknown
  readonly ready: unknown
  readonly command: unknown
  readonly answer: unknown
}

export type ChildMessage =
  | { readonly kind: 'ready'; readonly value: unknown }
  | { readonly kind: 'answer'; readonly value: unknown }
  | { readonly kind: 'failed'; readonly reason: string }

interface ChildOptions<Settings> {
  readonly file: URL
  readonly settings: Settings
}

/** Starts a file of this folder as a process. It ends with us, however we end: a lost channel ends it. */
export async function startChild<Protocol extends ChildProtocol>(
  resources: Resources,
  { file, settings }: ChildOptions<Protocol['settings']>,
): Promise<Child<Protocol>> {
  const child = fork(file, [JSON.stringify(settings)], { serialization: 'advanced' })
  await resources.add(() => endChild(child))
  const ready = await nextMessage(child, file)
  return {
    pid: child.pid ?? 0,
    ready,
    ask(command) {
      child.send({ value: command })
      return nextMessage(child, file)
    },
  }
}

/** The settings given to `startChild`, read in the child. */
export function settingsOfParent<Settings>(): Settings {
  return JSON.parse(process.argv[2] ?? '{}')
}

/** The child's side: reports readiness, then answers commands until the parent is gone. */
export function serveParent<Protocol extends ChildProtocol>(
  ready: Protocol['ready'],
  answer: (command: Protocol['command']) => Promise<Protocol['answer']>,
): void {
  const tell = (message: ChildMessage) => process.send?.(message)
  process.on('disconnect', () => process.exit())
  // Ctrl-C reaches the whole process group; the parent decides when its children end.
  process.on('SIGINT', () => {})
  process.on('message', async ({ value }: { value: Protocol['command'] }) => {
    try {
      tell({ kind: 'answer', value: await answer(value) })
    } catch (error) {
      tell({ kind: 'failed', reason: error instanceof Error ? (error.stack ?? error.message) : String(error) })
    }
  })
  tell({ kind: 'ready', value: ready })
}

// biome-ignore lint/suspicious/noExplicitAny: what crosses the channel is typed by the protocol of its two ends.
async function nextMessage(child: ChildProcess, file: URL): Promise<any> {
  const ended = new AbortController()
  const exited = once(child, 'exit', { signal: ended.signal }).then(([code, signal]) => {
    throw new Error(`${file.pathname} ended by itself (${code ?? signal})`)
  })
  try {
    const [message] = await Promise.race([once(child, 'message', { signal: ended.signal }), exited])
    if (message.kind === 'failed') {
      throw new Error(`${file.pathname}: ${message.reason}`)
    }
    return message.value
  } finally {
    exited.catch(() => {})
    ended.abort()
  }
}

async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) {
    return
  }
  child.kill('SIGKILL')
  await once(child, 'exit')
}
