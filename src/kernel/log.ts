import { type Logger, pino, stdSerializers } from 'pino'
import { prettyFactory } from 'pino-pretty'

export type { Logger } from 'pino'

export interface LogOptions {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'
  /** Coloured lines for a terminal instead of one JSON object per line. */
  readonly isPretty: boolean
  /** Where lines go; standard error unless given, since standard output belongs to what a command prints. */
  readonly destination?: { write(line: string): void }
}

/**
 * The log of a process. Lines are written synchronously, so that the last one before an exit is not lost.
 *
 * Secrets stay out in two ways. A field whose name says that it holds one (`token`, `signingSecret`, `authorization`,
 * `x-hub-signature-256` …) is replaced at any depth; and what looks like one of ours, or like credentials in a URL, is
 * replaced wherever it stands in a line, also within an error's text.
 */
export function createLog({ level, isPretty, destination }: LogOptions): Logger {
  const target = destination ?? pino.destination({ fd: 2, sync: true })
  const log = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: {
        level: (label) => ({ level: label }),
        log: redactFields,
      },
      serializers: {
        err: (error: unknown) => redactValue(error instanceof Error ? stdSerializers.err(error) : error, 0),
      },
      hooks: { streamWrite: redactText },
    },
    isPretty ? prettyTarget(target) : target,
  )
  return redactBindings(log)
}

// pino formats the bindings of the root logger only. Children inherit this method, so it holds for theirs as well.
function redactBindings(log: Logger): Logger {
  const { child } = log
  log.child = function (this: Logger, bindings, options) {
    return child.call(this, redactFields(bindings), options)
  } as typeof child
  return log
}

// In the process itself, not in a worker thread: that would lose the last lines before an exit.
function prettyTarget(target: { write(line: string): void }): { write(line: string): void } {
  const prettify = prettyFactory({ colorize: true, translateTime: 'SYS:HH:MM:ss.l', levelFirst: true })
  return { write: (line) => target.write(prettify(line)) }
}

const censored = '[redacted]'
const secretName = /(token|secret|password|authorization|cookie|signature|masterkey|apikey)s?\d*$/
// API keys, signing secrets, bearer tokens, tokens in a query or in an ingress path, passwords in a URL.
const secretText =
  /\bhk_[0-9a-z]{26}_[\w-]{43}|\bwhs(?:ec|k)_[\w+/=-]{16,}|\b(Bearer|Basic) [\w.~+/=-]{8,}|\baccess_token=[^&\s"\\]+|\/in\/[\w-]{43}|:\/\/[^\s/"\\@]*:[^\s/"\\@]*@/g

// Deeper than this nothing is logged on purpose; the bound is for cycles.
const depthLimit = 8

function redactText(line: string): string {
  return line.replace(secretText, (found) => {
    if (found.startsWith('://')) return `://${censored}@`
    if (found.startsWith('/in/')) return `/in/${censored}`
    return censored
  })
}

function redactFields(fields: Record<string, unknown>): Record<string, unknown> {
  return redactEntries(fields, 0)
}

function redactEntries(fields: object, depth: number): Record<string, unknown> {
  const redacted: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(fields)) {
    // Numbers and booleans are counts and claims (`hasSecret`), never secrets.
    const canHide = typeof value === 'string' || (typeof value === 'object' && value !== null)
    const isSecret = canHide && secretName.test(name.replaceAll(/[-_]/g, '').toLowerCase())
    redacted[name] = isSecret ? censored : redactValue(value, depth + 1)
  }
  return redacted
}

function redactValue(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value
  // The serializer of `err` takes errors apart; dates, buffers and the like print themselves.
  if (value instanceof Error || (!Array.isArray(value) && 'toJSON' in value)) return value
  if (depth > depthLimit) return '[too deep]'
  return Array.isArray(value) ? value.map((item) => redactValue(item, depth + 1)) : redactEntries(value, depth)
}
