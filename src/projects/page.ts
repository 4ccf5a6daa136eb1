/** One page of a list of configuration. The caller's cursor is the last row's key. */
export interface Page<Row> {
  readonly rows: Row[]
  /** Whether a further page holds rows. */
  readonly hasMore: boolean
}

/** @param rows read with a limit of `first + 1`: the one too many tells that more follow. */
export function pageOf<Row>(rows: Row[], first: number): Page<Row> {
  return { rows: rows.slice(0, first), hasMore: rows.length > first }
}
