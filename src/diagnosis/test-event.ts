import type { ParsedEvent } from '../cloudevents/index.ts'
import type { SentMessage } from '../deliveries/payload-form.ts'
import { newId } from '../kernel/ids.ts'

const testType = 'hookline.test'

/** Where a test event happened that does not say so. */
const testSource = 'hookline-test'

/** What is sent where the caller says nothing: in every payload form receivers find the type where they look for it. */
function defaultEvent(now: Date): ParsedEvent {
  const data = { message: 'A test of this endpoint: nothing has happened.' }
  return {
    context: {
      id: null,
      source: null,
      type: testType,
      subject: null,
      time: now,
      dataContentType: 'application/json',
      dataSchema: null,
      extensions: {},
    },
    data: Buffer.from(JSON.stringify({ type: testType, timestamp: now.toISOString(), data })),
  }
}

/** The message that stands for a test event. It is in no source, and stored nowhere. */
export function testMessage(event: ParsedEvent | null, now: Date): SentMessage {
  const { context, data } = event ?? defaultEvent(now)
  const { extensions } = context
  return {
    id: newId('msg'),
    receivedAt: now,
    contentType: context.dataContentType,
    body: data,
    eventId: context.id,
    eventSource: context.source,
    eventType: context.type,
    eventSubject: context.subject,
    eventTime: context.time ?? now,
    eventDataSchema: context.dataSchema,
    eventExtensions: Object.keys(extensions).length === 0 ? null : JSON.stringify(extensions),
    sourceName: testSource,
  }
}
