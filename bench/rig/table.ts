import type { BenchResult, Row, Wanted } from './bench.ts'
import { rounded } from './statistics.ts'

/** Median, spread and wish of each row in columns, then the notes. */
export function tableOf({ rows, notes }: BenchResult): string {
  const head = ['', 'median', 'min', 'max', 'unit', 'wanted']
  const lines = [head, ...rows.map(cellsOf)]
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)))
  const aligned = lines.map((line) => line.map((cell, column) => align(cell, widths[column] ?? 0, column)).join('  '))
  return [...aligned.map((line) => line.trimEnd()), '', ...notes].join('\n')
}

function align(cell: string, width: number, column: number): string {
  const isNumber = column >= 1 && column <= 3
  return isNumber ? cell.padStart(width) : cell.padEnd(width)
}

function cellsOf({ what, figure, unit, wanted }: Row): string[] {
  const numbers = [figure.median, figure.min, figure.max].map((value) => String(rounded(value)))
  return [what, ...numbers, unit, wanted === null ? '' : wish(wanted, figure.median)]
}

function wish({ atLeast, atMost }: Wanted, median: number): string {
  const holds = median >= (atLeast ?? Number.NEGATIVE_INFINITY) && median <= (atMost ?? Number.POSITIVE_INFINITY)
  const text = atLeast === undefined ? `<= ${atMost}` : `>= ${atLeast}`
  return `${text} ${holds ? '(met)' : '(MISSED)'}`
}
