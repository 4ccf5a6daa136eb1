export { counters, eachCounter, sumOfHistograms } from './columns.ts'
export { countHappened, happenedColumns } from './count.ts'
export { foldFreshCounts, keptHours, removeOldRollups, removeRollupsOf, type Span } from './fold.ts'
export { percentileOf, slotOf } from './histogram.ts'
