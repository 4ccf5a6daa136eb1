export { counters, eachCounter } from './columns.ts'
export { countHappened, happenedColumns } from './count.ts'
export { foldFreshCounts, keptHours, removeOldRollups, removeRollupsOf, type Span } from './fold.ts'
export { percentileOf, slotOf, slots } from './histogram.ts'
