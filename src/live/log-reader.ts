import type { SourceId } from '../kernel/ids.ts'

/** Where a source's log begins and ends; `firstSequence` is the one to come while it is empty. */
export interface LogHead {
  readonly sourceId: SourceId
  /** Changes when the log was restored from a backup. */
  readonly logEpoch: string
  readonly firstSequence: number
  readonly lastSequence: number
}

export interface LogRow {
  /** 1, 2, 3 … per source, dense. */
  readonly sequence: number
  /** About what the row takes in memory. */
  readonly sizeBytes: number
}

/** What the feed reads from. Both may reject: the feed tries again. */
export interface LogReader<Row extends LogRow> {
  /** In any order; sources that are gone are left out. */
  heads(sourceIds: readonly SourceId[]): Promise<readonly LogHead[]>
  /** What follows a sequence, oldest first; one row at least where there is one. */
  page(
    sourceId: SourceId,
    afterSequence: number,
    limits: { readonly maxRows: number; readonly maxBytes: number },
  ): Promise<readonly Row[]>
}
