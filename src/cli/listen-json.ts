import { textOf } from '../kernel/json.ts'
import type { GapEvent, MessageEvent } from './listen-documents.ts'
import type { ForwardResult } from './listen-forward.ts'

/** What `hookline listen --help` says of the lines below. */
export const jsonHelp = `--json prints one JSON object per line. More fields may come; those that are there stay:
  {"kind":"message","source":"shop","cursor":"…","id":"msg_…","sequence":7,
   "receivedAt":"2030-01-31T12:00:00.000Z","method":"POST","path":"/orders"|null,"query":"a=1"|null,
   "headers":[["Content-Type","application/json"],…],"contentType":"application/json"|null,
   "bodyBytes":2,"body":"e30=" (base64),"text":"{}"|null (unless UTF-8),
   "event":{"id":"…","type":"order.created","subject":"…"|null},
   "forward":{"status":204|null,"error":"…"|null,"durationMs":12}|null (without --forward)}
  {"kind":"gap","source":"shop","cursor":"…","reason":"RETENTION"|"RESTORED",
   "fromSequence":3|null,"toSequence":6|null}`

export function messageJson(source: string, { cursor, message }: MessageEvent, forward: ForwardResult | null): string {
  const body = Buffer.from(message.body, 'base64')
  return JSON.stringify({
    kind: 'message',
    source,
    cursor,
    id: message.id,
    sequence: message.sequence,
    receivedAt: message.receivedAt,
    method: message.method,
    path: message.path,
    query: message.query,
    headers: message.headers.map(({ name, value }) => [name, value]),
    contentType: message.contentType,
    bodyBytes: body.length,
    body: message.body,
    text: textOf(body),
    event: { id: message.event.id, type: message.event.type, subject: message.event.subject },
    forward,
  })
}

export function gapJson(source: string, { cursor, reason, fromSequence, toSequence }: GapEvent): string {
  return JSON.stringify({ kind: 'gap', source, cursor, reason, fromSequence, toSequence })
}
