import { isId } from '../kernel/ids.ts'
import { Failure } from './command.ts'
import { askGateway, RefusedOperation } from './gateway-api.ts'
import { checkKeyQuery, findSourceQuery } from './listen-documents.ts'
import type { Login } from './login-credentials.ts'

export interface FoundSource {
  readonly id: string
  /** As it was asked for. */
  readonly name: string
}

const shownNames = 20

/**
 * Finds a source by its name, or takes an id as it is: whether that exists is told with the first event.
 *
 * @throws Failure that helps to the right name.
 */
export async function findSource(login: Login, word: string): Promise<FoundSource> {
  if (isId('src', word)) {
    await askGateway(login, checkKeyQuery)
    return { id: word, name: word }
  }
  const { source, sources } = await askForSource(login, word)
  if (source !== null) return source
  const names = sources.nodes.slice(0, shownNames).map(({ name }) => name)
  const others = sources.totalCount - names.length
  if (names.length === 0) throw new Failure(`There is no source "${word}": the key sees no source at all.`)
  const list = `${names.join(', ')}${others > 0 ? ` and ${others} more` : ''}`
  throw new Failure(`There is no source "${word}" that the key sees. It sees: ${list}.`)
}

interface SourceAnswer {
  readonly source: FoundSource | null
  readonly sources: { readonly nodes: readonly { readonly name: string }[]; readonly totalCount: number }
}

async function askForSource(login: Login, name: string): Promise<SourceAnswer> {
  try {
    return await askGateway<SourceAnswer>(login, findSourceQuery, { name })
  } catch (error) {
    if (!(error instanceof RefusedOperation) || error.code !== 'FORBIDDEN') throw error
    throw new Failure('The key may not look for sources by name: give the id (src_…), or a key that has READ as well.')
  }
}
