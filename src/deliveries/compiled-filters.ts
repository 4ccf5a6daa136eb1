import { readFilterText } from '../endpoints/index.ts'
import { type CompiledFilter, compileMessageFilter } from '../messages/message-filter.ts'

/** Filters by their text, which many endpoints may share. */
export interface CompiledFilters {
  /** @returns for a text that cannot be read, a filter that throws: it lets nothing through, and says so each time. */
  of(text: string): CompiledFilter
}

/** Characters of all texts together. */
const maxKeptCharacters = 8_000_000

/** Keeps what was compiled; the one compiled longest ago makes room. */
export function createCompiledFilters(): CompiledFilters {
  const kept = new Map<string, CompiledFilter>()
  let keptCharacters = 0
  return {
    of(text) {
      const known = kept.get(text)
      if (known !== undefined) return known
      const filter = compile(text)
      kept.set(text, filter)
      keptCharacters += text.length
      for (const oldest of kept.keys()) {
        if (keptCharacters <= maxKeptCharacters) break
        kept.delete(oldest)
        keptCharacters -= oldest.length
      }
      return filter
    },
  }
}

function compile(text: string): CompiledFilter {
  try {
    return compileMessageFilter(readFilterText(text))
  } catch (error) {
    const matches = () => {
      throw error
    }
    return { readsBodies: false, matches }
  }
}
