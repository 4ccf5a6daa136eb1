/**
 * Streams: messages for readers that speak plain HTTP.
 *
 * `GET /stream` gives the events of the subscription `messageReceived` as server-sent events. A reader shows its API key,
 * or a **ticket** that a key's owner had made for it: a page's EventSource cannot send headers, and an address with a key
 * in it would end in logs and histories. What it opens is a **message stream**: events with ids, each of which names the
 * reader's place in all of its sources, so that a reader who hands the last one in goes on from there.
 */
export { createStreamTicket } from './create-stream-ticket.ts'
export type { MessageStream, StreamEnd } from './message-stream.ts'
export {
  createMessageStreams,
  type MessageStreams,
  type OpenedStream,
  type Opening,
  type StreamRequest,
} from './message-streams.ts'
export { createStreamTickets, removeExpiredTickets, type StreamTickets } from './stream-tickets.ts'
