/*
 * What a client sends, on its way to graphql-ws. That forgets an id when its operation has ended, some turns after the
 * client has completed it, and with it whatever began under the same id meanwhile: such an operation would end without
 * a word. So what comes under an id that was completed waits until the operation has ended:
 *
 *   subscribe ──▶ running ──complete──▶ ending ──ended──▶ forgotten
 *                   │ subscribe: 4409     │ subscribe: waits for the end
 */
interface Operation {
  readonly begun: Promise<void>
  readonly ended: Promise<void>
  /** By the client. */
  isCompleted: boolean
}

type Handle = (text: string) => Promise<void>

/** Messages of the server, which graphql-ws takes from a client for a failure of its own. */
const typesOfServers: readonly unknown[] = ['connection_ack', 'next', 'error']

/**
 * @param handle graphql-ws; called in the same turn for what need not wait.
 * @param refuse called for a message that no client may send.
 */
export function clientMessages(handle: Handle, refuse: () => void): Handle {
  const operations = new Map<string, Operation>()

  function begin(id: string, text: string): Promise<void> {
    const before = operations.get(id)
    if (before !== undefined && !before.isCompleted) return before.begun.then(() => handle(text))
    const begun = before?.ended.catch(() => undefined) ?? Promise.resolve()
    const ended = before === undefined ? handle(text) : begun.then(() => handle(text))
    const operation = { begun, ended, isCompleted: false }
    operations.set(id, operation)
    return ended.finally(() => {
      if (operations.get(id) === operation) operations.delete(id)
    })
  }

  function complete(id: string, text: string): Promise<void> {
    const operation = operations.get(id)
    if (operation === undefined) return handle(text)
    operation.isCompleted = true
    return operation.begun.then(() => handle(text))
  }

  return async (text) => {
    const { type, id } = parsed(text)
    if (typesOfServers.includes(type)) return refuse()
    if (typeof id !== 'string') return await handle(text)
    if (type === 'subscribe') return await begin(id, text)
    return await (type === 'complete' ? complete(id, text) : handle(text))
  }
}

/** @returns nothing for what is no message: graphql-ws says what is wrong with it. */
function parsed(text: string): { readonly type?: unknown; readonly id?: unknown } {
  try {
    return JSON.parse(text) ?? {}
  } catch {
    return {}
  }
}
