/**
 * Where a value of a request is found: a header's name, a JSON Pointer (RFC 6901) into the body, or a fixed value. Of
 * several places the first that holds something counts.
 */
export type ValueSelector =
  | { header: string }
  | { pointer: string }
  | { constant: string }
  | { firstOf: readonly ValueSelector[] }
