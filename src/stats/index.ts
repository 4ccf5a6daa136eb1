/**
 * Statistics: how much was received, refused, delivered and so on, of a source, an endpoint, an event type or a project,
 * over any time. Here they are only read; whoever does something counts it in the same transaction (src/rollups).
 */
export { createGauges } from './gauges.ts'
export { createStatsFeed, type StatsFeed } from './stats-feed.ts'
export { createStatsStore, type StatsStore } from './stats-store.ts'
