/**
 * Live: how those who wait learn that there is something to read.
 *
 * The bus carries wake-ups, the feed streams the logs of sources, the epoch tells when configuration or keys changed,
 * and cursors name places in logs and lists.
 */
export { type Bus, configurationChannel, deliveriesChannel, sourceChannel, tasksChannel } from './bus.ts'
export {
  decodeCursor,
  decodeListCursor,
  decodePlaces,
  encodeCursor,
  encodeListCursor,
  encodePlaces,
  type ListCursor,
  type MessageCursor,
} from './cursor.ts'
export { createEpochCache, createEpochs, type EpochCache, type Epochs } from './epoch.ts'
export {
  createFeed,
  type Feed,
  type FeedEvent,
  type FeedGap,
  type FeedMessage,
  type FeedNote,
  type FeedPosition,
  type LogHead,
  type LogReader,
  type LogRow,
} from './feed.ts'
export { createMemoryBus } from './memory-bus.ts'
export { createRedisBus } from './redis-bus.ts'
export { createSubscriptionLimit, type SubscriptionLimit } from './subscription-limit.ts'
