/**
 * CloudEvents 1.0.2: what a request that carries events says, checked by the letter, and how deliveries say it.
 *
 * A request declares its **mode** by its content type and headers (`modeOf`). Each mode has a reader that gives the events
 * with their attributes and the exact bytes of their data, or a sentence that says what is wrong. Readers never throw,
 * take time in proportion to the body, and do not build the data.
 *
 * See https://github.com/cloudevents/spec/tree/v1.0.2/cloudevents
 */
export { type AttributeIssue, type Attributes, checkAttributes, contextOf, coreAttributes } from './attributes.ts'
export type { AttributeValue, EventContext, Parsed, ParsedEvent } from './event.ts'
export { decodeHeaderValue, encodeHeaderValue } from './header-value.ts'
export { type ContentMode, modeOf, parseBinary } from './http-binding.ts'
export { maxBatchEvents, parseBatch, parsePlain, parseStructured } from './json-format.ts'
export { binaryHeaders, isJsonData, writeStructured } from './write-event.ts'
