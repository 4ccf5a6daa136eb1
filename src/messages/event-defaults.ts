import type { NewMessage } from './message.ts'

/*
 * What stands for the attributes that a message's sender did not give, so that it is a CloudEvent all the same: the same
 * for clients, filters and receivers.
 */

export function eventIdOf({ id, eventId }: Pick<NewMessage, 'id' | 'eventId'>): string {
  return eventId ?? id
}

/** @param sourceName of the message's source, as it is called now. */
export function eventSourceOf({ eventSource }: Pick<NewMessage, 'eventSource'>, sourceName: string): string {
  return eventSource ?? `/sources/${sourceName}`
}

export const defaultEventType = 'webhook'

export function eventTypeOf({ eventType }: Pick<NewMessage, 'eventType'>): string {
  return eventType ?? defaultEventType
}
