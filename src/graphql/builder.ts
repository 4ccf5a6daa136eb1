import SchemaBuilder from '@pothos/core'
import RelayPlugin from '@pothos/plugin-relay'
import ScopeAuthPlugin from '@pothos/plugin-scope-auth'
import type { Scope } from '../auth/scopes.ts'
import { allows } from '../auth/viewer.ts'
import type { Context } from './context.ts'
import { parseJsonLiteral, parseJsonValue } from './json-input.ts'
import { kindOfId } from './node.ts'
import { requestError } from './request-error.ts'
import {
  parseBytes,
  parseCursor,
  parseDateTime,
  parseSafeInt,
  parseUrl,
  serializeBytes,
  serializeDateTime,
  serializeSafeInt,
} from './scalars.ts'

/** The TypeScript side of the schema. Fields and inputs are non-null unless they say otherwise. */
export interface Types {
  Context: Context
  AuthScopes: { scope: Scope }
  DefaultFieldNullability: false
  /** What a connection's resolver gives beside the page. */
  Connection: { countAll?: () => Promise<number> }
  Scalars: {
    ID: { Input: string; Output: string }
    DateTime: { Input: Date; Output: Date }
    Cursor: { Input: string; Output: string }
    Bytes: { Input: Buffer; Output: Uint8Array }
    JSON: { Input: unknown; Output: unknown }
    URL: { Input: string; Output: string }
    SafeInt: { Input: number; Output: number }
  }
}

/**
 * Every type of the schema is added to this builder: the shared ones in this folder, those of a domain in its
 * `*.graphql.ts`. schema.ts imports them all.
 */
export const builder = new SchemaBuilder<Types>({
  plugins: [ScopeAuthPlugin, RelayPlugin],
  defaultFieldNullability: false,
  scopeAuth: {
    authScopes: (context) => ({ scope: (scope) => allows(context.viewer, scope) }),
    unauthorizedError: (_parent, _context, info, result) =>
      requestError(
        'FORBIDDEN',
        `The key may not read ${info.parentType.name}.${info.fieldName}${lacking(result.failure)}.`,
      ),
    authorizeOnSubscribe: true,
  },
  relay: {
    // The plugin's own types know only String and ID; the schema has a scalar for cursors.
    cursorType: 'Cursor' as 'String',
    encodeGlobalID: (_typename, id) => String(id),
    decodeGlobalID: (id) => ({ typename: kindOfId(id)?.typename ?? '', id }),
    nodeTypeOptions: {
      description: 'An object that can be fetched again by its id.',
      resolveType: (value) => kindOfId((value as { id: string }).id)?.typename,
    },
    idFieldOptions: { description: 'Unique in this installation; the same string in REST answers, headers and logs.' },
    nodeQueryOptions: false,
    nodesQueryOptions: false,
    pageInfoTypeOptions: { description: 'Where a page ends and whether more follows.' },
    hasNextPageFieldOptions: { description: 'Whether a further page may hold items.' },
    hasPreviousPageFieldOptions: {
      description: 'Whether `after` was given, so that items may come before this page.',
    },
    startCursorFieldOptions: { description: 'The cursor of the first item; null on an empty page.' },
    endCursorFieldOptions: { description: 'The place to go on from; null when nothing was looked at.' },
    pageInfoFieldOptions: { description: 'Where the page ends.' },
    edgesFieldOptions: { description: 'The items with their cursors.' },
    nodesOnConnection: { description: 'The items alone.' },
    cursorFieldOptions: { description: 'The place after this item.', type: 'Cursor' as 'String' },
    nodeFieldOptions: { description: 'The item.' },
    defaultEdgeTypeOptions: { description: 'An item with its place in the list.' },
  },
})

function lacking(failure: { kind: string; parameter?: unknown }): string {
  return typeof failure.parameter === 'string' ? `: it lacks the scope ${failure.parameter.toUpperCase()}` : ''
}

builder.scalarType('DateTime', {
  description:
    'A point in time: RFC 3339. Given out in UTC with milliseconds, such as `2026-11-22T00:31:00.123Z`; any offset is taken in.',
  specifiedByURL: 'https://scalars.graphql.org/andimarek/date-time.html',
  serialize: serializeDateTime,
  parseValue: parseDateTime,
})

builder.scalarType('Cursor', {
  description: `A place in a list or a source's log: an opaque string, valid across restarts and processes, bound to its project and
list. Garbage, a foreign cursor or one from the future is BAD_USER_INPUT; one whose place is gone, by retention or by a
restored backup, is CURSOR_EXPIRED in a query and a \`MessagesSkipped\` in a stream.`,
  specifiedByURL: 'https://relay.dev/graphql/connections.htm#sec-Cursor',
  serialize: String,
  parseValue: parseCursor,
})

builder.scalarType('Bytes', {
  description: 'Bytes, exactly: base64 with the standard alphabet and padding.',
  specifiedByURL: 'https://www.rfc-editor.org/rfc/rfc4648#section-4',
  serialize: serializeBytes,
  parseValue: parseBytes,
})

builder.scalarType('JSON', {
  description: `Any JSON value. Given out, numbers beyond 53 bits lose digits, and of repeated keys the last counts; taken in, such numbers
lose digits in variables, and nothing nests over 500 deep. \`Bytes\` lose nothing.`,
  specifiedByURL: 'https://www.rfc-editor.org/rfc/rfc8259',
  serialize: (value) => value,
  coerceInputValue: parseJsonValue,
  coerceInputLiteral: parseJsonLiteral,
})

builder.scalarType('URL', {
  description:
    'An absolute http or https URL, normalised as the URL Standard does; at most 2,048 characters, without credentials.',
  specifiedByURL: 'https://url.spec.whatwg.org/#concept-url',
  serialize: String,
  parseValue: parseUrl,
})

builder.scalarType('SafeInt', {
  description: `A whole number within ±(2^53 - 1), a JSON number. For sequences, counters and sizes, which outgrow \`Int\` (at 10,000
messages a second that is full in 60 hours, this in 28,000 years) and which clients compare and subtract, unlike strings.`,
  serialize: serializeSafeInt,
  parseValue: parseSafeInt,
})
