import { setImmediate } from 'node:timers/promises'
import type { Command } from './command.ts'
import type { MessageEvent } from './listen-documents.ts'
import { type ForwardResult, forward, redacted } from './listen-forward.ts'
import { jsonHelp } from './listen-json.ts'
import { openNamedPlace } from './listen-named-place.ts'
import { type ListenOptions, parseListenOptions } from './listen-options.ts'
import { createListenOutput, type ListenOutput } from './listen-output.ts'
import { type ListenPlace, memoryPlace } from './listen-place.ts'
import { type FoundSource, findSource } from './listen-source.ts'
import { type StreamOptions, streamOf } from './listen-stream.ts'
import { type Login, loginOptions, resolveLogin } from './login-credentials.ts'
import { listenForStop, type StopSignals } from './stop-signals.ts'

/**
 * Follows a source of a running gateway, wherever that is:
 *
 *   options ▸ login ▸ source ▸ (event ▸ forward ▸ print)* ▸ SIGTERM, Ctrl-C, enough or a closed output ▸ summary ▸ 0
 *
 * Messages are sent on one at a time, in order. What the local server makes of one never ends the stream. A lost
 * connection is opened again and goes on after the last message that was dealt with.
 */
export const listen: Command = {
  name: 'listen',
  summary: 'Show messages of a source as they come; send them on to a local server.',
  operands: ['source'],
  options: {
    forward: {
      value: '<url>',
      description: 'Send each on, such as to http://localhost:3000/hook: same method, header fields and bytes.',
    },
    type: { value: '<a.*,b>', description: 'Only these event types; * stands for any characters.' },
    filter: { value: '<json>', description: 'Only these: a MessageFilter, such as {"types":["order.*"]}.' },
    since: {
      value: '<when>',
      description: 'Begin back then: 90s, 10m, 2h, 1d, or 2030-01-31T12:00:00Z. Default: now.',
    },
    name: {
      value: '<name>',
      description: 'Keep the place under this name: the next run with it goes on where this one ended.',
    },
    print: { value: '<parts>', description: 'headers, body, headers,body or none (the default) beneath each line.' },
    json: { value: null, description: 'Print JSON lines.' },
    'exit-after': { value: '<n>', description: 'End with 0 after so many messages.' },
    ...loginOptions,
  },
  details: `<source> is a name, or an id. The key needs LISTEN, and READ to find a source by its name.\n\n${jsonHelp}`,
  async run(input, context) {
    const options = parseListenOptions(input, Date.now())
    const login = await resolveLogin(input.options, context, 'listen')
    const source = await findSource(login, input.operands.source ?? '')
    const place = await openPlace(login, source, options)
    const output = createListenOutput(context, source.name, options)
    const counts = { received: 0, forwarded: 0, failed: 0 }
    try {
      await follow({ login, source, options, place, output, counts })
    } catch (error) {
      if (counts.received > 0) context.printError(summaryOf(counts, options))
      throw error
    } finally {
      await place.close().catch((error: Error) => output.notice(`The place was not kept: ${error.message}`))
    }
    context.printError(summaryOf(counts, options))
    return 0
  },
}

function openPlace(login: Login, source: FoundSource, options: ListenOptions): ListenPlace | Promise<ListenPlace> {
  const { name, since, filter } = options
  return name === null
    ? memoryPlace({ sourceId: source.id, since, filter })
    : openNamedPlace({ login, source, name, since, filter })
}

interface Counts {
  received: number
  forwarded: number
  failed: number
}

interface Following {
  readonly login: Login
  readonly source: FoundSource
  readonly options: ListenOptions
  readonly place: ListenPlace
  readonly output: ListenOutput
  readonly counts: Counts
}

/** What a forward under way may take after a signal. */
const finishMs = 1_000

async function follow({ login, source, options, place, output, counts }: Following): Promise<void> {
  const stop = listenForStop()
  const ending = new AbortController()
  const givingUp = new AbortController()
  endOn(stop, ending, givingUp)
  const deal = dealer(options, output, counts)
  const notices = noticesOf(login, source, options, output)
  for await (const event of streamOf({ login, place, signal: ending.signal, ...notices })) {
    if (event.__typename === 'MessagesSkipped') output.gap(event)
    if (event.__typename === 'MessageReceived') await deal(event, givingUp.signal)
    // In a backlog, too, signals and a closed output are heard between two messages.
    await setImmediate()
    // What was given up with the run is not dealt with: a place with a name gives it to the next one.
    if (givingUp.signal.aborted) return
    if (counts.received !== options.exitAfter) continue
    place.passed(event)
    return ending.abort()
  }
}

/** Ends the stream at once, and a forward under way a moment later. */
function endOn(stop: StopSignals, ending: AbortController, givingUp: AbortController): void {
  void stop.first.then(() => {
    ending.abort()
    setTimeout(() => givingUp.abort(), finishMs).unref()
  })
  // Nobody reads on: `hookline listen … | head`.
  process.stdout.once('error', () => {
    ending.abort()
    givingUp.abort()
  })
}

function noticesOf(
  { url }: Login,
  { name }: FoundSource,
  { forwardTo }: ListenOptions,
  output: ListenOutput,
): Pick<StreamOptions, 'onListening' | 'onLost' | 'onBack'> {
  return {
    onListening() {
      const destination = forwardTo === null ? '' : `, sending on to ${forwardTo.href}`
      output.notice(`Listening to ${name} at ${url}${destination}. Ctrl-C ends it.`)
      output.begin()
    },
    onLost: (reason) => output.notice(`Connection lost (${reason}). Trying again until it is back.`),
    onBack: () => output.notice('Connected again; going on where it stopped.'),
  }
}

/** Sends a message on, prints and counts it. */
function dealer({ forwardTo }: ListenOptions, output: ListenOutput, counts: Counts) {
  let hasToldOfRedacted = false

  function tellOfRedacted({ message: { headers } }: MessageEvent): void {
    const names = headers.filter(({ value }) => value === redacted).map(({ name }) => name)
    if (hasToldOfRedacted || names.length === 0) return
    hasToldOfRedacted = true
    output.notice(`Left out of what is sent on: ${names.join(', ')}. The gateway checked it and did not keep it.`)
  }

  return async (event: MessageEvent, signal: AbortSignal): Promise<void> => {
    counts.received += 1
    if (forwardTo === null) return output.message(event, null)
    tellOfRedacted(event)
    output.sending(event)
    const result = await forward(event.message, forwardTo, signal)
    if (isSuccess(result)) counts.forwarded += 1
    else counts.failed += 1
    output.message(event, result)
  }
}

function isSuccess({ status, error }: ForwardResult): boolean {
  return error === null && status !== null && status >= 200 && status < 300
}

function summaryOf({ received, forwarded, failed }: Counts, { forwardTo }: ListenOptions): string {
  return forwardTo === null
    ? `Received ${received}.`
    : `Received ${received}, forwarded ${forwarded}, failed ${failed}.`
}
