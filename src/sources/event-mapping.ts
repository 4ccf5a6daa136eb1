import type { Issue } from '../kernel/outcome.ts'
import type { ValueSelector } from '../kernel/value-selector.ts'
import { checkHeaderName, checkJsonPointer, checkText, issue } from '../projects/input-checks.ts'
import type { Mapping } from '../signatures/index.ts'

/** Where an event's attributes are found; what is left out is not said. */
export type MappingInput = { readonly [Attribute in keyof Mapping]?: SelectorInput | null | undefined }

/** Exactly one field is given. */
export interface SelectorInput {
  readonly header?: string | null | undefined
  /** RFC 6901; at most 512 characters. */
  readonly pointer?: string | null | undefined
  /** 1 to 256 characters. */
  readonly constant?: string | null | undefined
}

const attributes = ['id', 'type', 'subject'] as const
const constantBounds = { min: 1, max: 256 } as const

export function checkMapping(mapping: MappingInput): Issue[] {
  return attributes.flatMap((attribute) => {
    const selector = mapping[attribute]
    const path = ['input', 'mapping', attribute]
    if (attribute === 'id' && typeof selector?.constant === 'string') {
      const message = 'With one id for all, every message would be a duplicate of the first.'
      return [issue('MALFORMED', [...path, 'constant'], message)]
    }
    return selector ? checkSelector(selector, path) : []
  })
}

function checkSelector({ header, pointer, constant }: SelectorInput, path: readonly string[]): Issue[] {
  return [
    ...(typeof header === 'string' ? checkHeaderName(header, [...path, 'header']) : []),
    ...(typeof pointer === 'string' ? checkJsonPointer(pointer, [...path, 'pointer']) : []),
    ...(typeof constant === 'string' ? checkText(constant, [...path, 'constant'], constantBounds) : []),
  ]
}

/** @returns null when nothing is said. */
export function mappingOf(input: MappingInput): Mapping | null {
  const mapping = { id: selectorOf(input.id), type: selectorOf(input.type), subject: selectorOf(input.subject) }
  return Object.values(mapping).some((selector) => selector !== null) ? mapping : null
}

function selectorOf(input: SelectorInput | null | undefined): ValueSelector | null {
  if (typeof input?.header === 'string') return { header: input.header }
  if (typeof input?.pointer === 'string') return { pointer: input.pointer }
  return typeof input?.constant === 'string' ? { constant: input.constant } : null
}
