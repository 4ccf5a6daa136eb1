import { builder } from '../graphql/builder.ts'
import { badUserInput } from '../graphql/request-error.ts'
import { type CompiledFilter, compileMessageFilter } from './message-filter.ts'
import { checkMessageFilter, type MessageFilter, type PointerMatch, type TextMatch } from './message-filter-input.ts'

export const MessageFilterInput = builder.inputRef<MessageFilter>('MessageFilter')

const AttributeMatchInput = builder.inputRef<TextMatch>('AttributeMatchInput').implement({
  description: 'A named text value.',
  fields: (t) => ({
    name: t.string({
      required: true,
      description: 'An attribute, such as `subject` or an extension; or a header field.',
    }),
    value: t.string({
      required: true,
      description: 'What it is compared with; not empty, at most 2,048 characters.',
    }),
  }),
})

const PointerMatchInput = builder.inputRef<PointerMatch, false>('PointerMatchInput').implement({
  description: 'A value at a place in the payload.',
  fields: (t) => ({
    pointer: t.string({
      required: true,
      description: 'A JSON Pointer (RFC 6901), such as `/data/status`; at most 512 characters.',
    }),
    value: t.field({
      // The builder's types do not fit `unknown` into a shape.
      type: 'JSON' as 'String',
      description:
        'A string, number, boolean or null. Beyond ±(2^53 - 1) numbers are compared by their digits, and have to stand in the document.',
    }),
  }),
})

MessageFilterInput.implement({
  description: `Which messages are meant: exactly one test, of which \`all\`, \`any\` and \`not\` combine others. At most 8 levels and 100 tests.
The dialects are those of the CloudEvents Subscriptions API, with header and data tests beside them. Attributes are
compared as text, with case.`,
  isOneOf: true,
  fields: (t) => ({
    types: t.stringList({
      description:
        'The type is one of these; `*` stands for any characters, such as `order.*`. 1 to 100, also in all of a filter; of 256 characters each.',
    }),
    exact: t.field({ type: AttributeMatchInput, description: 'An attribute equals the value.' }),
    prefix: t.field({ type: AttributeMatchInput, description: 'An attribute begins with the value.' }),
    suffix: t.field({ type: AttributeMatchInput, description: 'An attribute ends with the value.' }),
    header: t.field({
      type: AttributeMatchInput,
      description: 'A header field (name without case) equals the value, in one of its lines.',
    }),
    data: t.field({
      type: PointerMatchInput,
      description: 'A place in the payload, parsed as in `Message.json`, equals the value.',
    }),
    all: t.field({ type: [MessageFilterInput], description: 'All of these hold; 1 or more.' }),
    any: t.field({ type: [MessageFilterInput], description: 'At least one of these holds; 1 or more.' }),
    not: t.field({ type: MessageFilterInput, description: 'This does not hold.' }),
  }),
})

/**
 * Compiles a `filter` argument.
 *
 * @throws GraphQLError BAD_USER_INPUT that names the place of the first mistake.
 */
export function compileFilterArgument(filter: MessageFilter): CompiledFilter {
  const [first] = checkMessageFilter(filter, ['filter'])
  if (first !== undefined) throw badUserInput(`\`${first.path.join('.')}\`: ${first.message}`)
  return compileMessageFilter(filter)
}
