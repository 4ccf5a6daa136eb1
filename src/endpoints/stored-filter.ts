import type { MessageFilter } from '../messages/message-filter-input.ts'

/*
 * An endpoint's filter as it rests in the database: JSON text, never jsonb, because its numbers come from strangers. A
 * number that a double does not hold keeps the digits that it was written with, there and back.
 */

/** @param filter of which `checkMessageFilter` found nothing wrong. */
export function filterText(filter: MessageFilter): string {
  return JSON.stringify(filter)
}

/**
 * The filter that was stored, fit for `compileMessageFilter`.
 *
 * @throws SyntaxError when the text is not JSON (it was not written by `filterText`).
 */
export function readFilterText(text: string): MessageFilter {
  return json.parse(text, (_name, value, { source }) => {
    const isDouble = typeof value !== 'number' || JSON.stringify(value) === source
    return isDouble ? value : json.rawJSON(source ?? '')
  })
}

// Of the language since 2025, but not of its types yet.
const json = JSON as unknown as {
  rawJSON(text: string): unknown
  parse(
    text: string,
    /** `source`: the text of a value that is no container. */
    reviver: (name: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): MessageFilter
}
