import type { CliContext, Terminal } from './command.ts'
import type { GapEvent, MessageEvent } from './listen-documents.ts'
import type { ForwardResult } from './listen-forward.ts'
import { gapJson, messageJson } from './listen-json.ts'
import type { ListenOptions } from './listen-options.ts'
import { headingOf, messageRow, partsOf, plainLine, type TableStyle } from './listen-table.ts'

/** What `hookline listen` prints: messages on standard output, notices to a person on standard error. */
export interface ListenOutput {
  /** From now on messages come. */
  begin(): void
  /** A message is being sent on. */
  sending(event: MessageEvent): void
  /** @param result null when messages are not sent on. */
  message(event: MessageEvent, result: ForwardResult | null): void
  gap(event: GapEvent): void
  notice(text: string): void
}

/** JSON lines when asked for, a table on a terminal, plain lines otherwise. */
export function createListenOutput(context: CliContext, source: string, options: ListenOptions): ListenOutput {
  if (options.isJson) return jsonOutput(context, source)
  const { terminal } = context
  return terminal === undefined ? plainOutput(context, options) : tableOutput(context, terminal, options)
}

function jsonOutput({ print, printError }: CliContext, source: string): ListenOutput {
  return {
    begin: () => undefined,
    sending: () => undefined,
    message: (event, result) => print(messageJson(source, event, result)),
    gap(event) {
      print(gapJson(source, event))
      printError(gapNotice(event))
    },
    notice: printError,
  }
}

function plainOutput({ print, printError }: CliContext, { parts }: ListenOptions): ListenOutput {
  return {
    begin: () => undefined,
    sending: () => undefined,
    message({ message }, result) {
      print(plainLine(message, result))
      printParts(print, partsOf(message, parts))
    },
    gap: (event) => printError(gapNotice(event)),
    notice: printError,
  }
}

const clearLine = '\r\u001b[K'

/** The row of a message that is being sent on stands there already and is written over when its answer has come. */
function tableOutput(context: CliContext, terminal: Terminal, options: ListenOptions): ListenOutput {
  const { print, printError, environment } = context
  const styleOf = (): TableStyle => ({
    columns: terminal.columns(),
    isColoured: !environment.NO_COLOR,
    isForwarding: options.forwardTo !== null,
  })
  let unfinished: string | null = null

  function notice(text: string): void {
    if (unfinished !== null) terminal.write(clearLine)
    printError(text)
    if (unfinished !== null) terminal.write(unfinished)
  }

  return {
    begin: () => print(headingOf(styleOf())),
    sending({ message }) {
      unfinished = messageRow(message, null, styleOf())
      terminal.write(unfinished)
    },
    message({ message }, result) {
      if (unfinished !== null) terminal.write(clearLine)
      unfinished = null
      print(messageRow(message, result, styleOf()))
      printParts(print, partsOf(message, options.parts))
    },
    gap: (event) => notice(gapNotice(event)),
    notice,
  }
}

function printParts(print: (text: string) => void, text: string): void {
  if (text !== '') print(`\n${text}\n`)
}

function gapNotice({ reason, fromSequence, toSequence }: GapEvent): string {
  if (reason !== 'RETENTION') return 'Gap: the gateway was restored from a backup; messages may be gone, or come again.'
  return `Gap: retention dropped messages ${fromSequence} to ${toSequence} before they were read.`
}
