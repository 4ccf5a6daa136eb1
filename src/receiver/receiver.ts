import { createHandledIds, type HandledIds } from './handled-ids.ts'
import type { ReceivedEvent } from './received-event.ts'
import { ReceiverError } from './receiver-error.ts'
import { compileTypePattern, type PayloadOf } from './type-pattern.ts'
import { createVerifier, type Refusal, type RefusalCode, type SignedRequest, type VerifierOptions } from './verify.ts'

/** What a handler says of an event. Nothing means `accepted`. To be given the event again, it throws. */
export type HandlerVerdict = 'accepted' | 'ignored'

export type EventHandler<Payload> = (
  event: ReceivedEvent<Payload>,
  // biome-ignore lint/suspicious/noConfusingVoidType: most handlers return nothing.
) => HandlerVerdict | void | Promise<HandlerVerdict | void>

export interface HandlerOptions {
  /**
   * Answers 202 at once and runs the handler after that. Then the sender knows nothing of its failure and sends nothing
   * again: `onError` must see to it. Default false.
   */
  readonly inBackground?: boolean
}

export interface ReceiverOptions extends VerifierOptions {
  /**
   * Told of what goes wrong on this side: a handler that threw, a body that somebody else had read. The sender is told
   * nothing but that it failed. Must not throw.
   *
   * @param event null when it was not come to.
   */
  readonly onError: (error: unknown, event: ReceivedEvent | null) => void
  /** Told why a request was turned away with 401. Must not throw. */
  readonly onRefusal?: (refusal: Refusal) => void
  /** Which events were handled. Default: in this process's memory, see `createHandledIds`. */
  readonly handledIds?: HandledIds
  /** Default 4 MiB. */
  readonly maxBodyBytes?: number
}

/** Stable; what a sender is told besides the status. */
export type AnswerCode = RefusalCode | 'BODY_TOO_LARGE' | 'PAYLOAD_MALFORMED' | 'EVENT_RUNNING' | 'RECEIVER_FAILED'

/** The answer to a delivery: the sender takes every 2xx as done, and tries again after everything else. */
export type Answer =
  | { readonly status: 200; readonly outcome: 'accepted' | 'ignored' | 'duplicate' }
  /** Handed over to the background. */
  | { readonly status: 202; readonly outcome: 'accepted' }
  | { readonly status: 400 | 401 | 409 | 413; readonly outcome: 'refused'; readonly code: AnswerCode }
  | { readonly status: 500; readonly outcome: 'failed'; readonly code: AnswerCode }

/** @typeParam Payloads event types with their payloads, as far as they are described. */
export interface Receiver<Payloads> {
  readonly maxBodyBytes: number
  /**
   * Adds a handler. An event goes to the first one added whose pattern fits its type; one that fits none is `ignored`.
   *
   * @param pattern a type in which `*` stands for any characters: `order.created`, `order.*`, `*`.
   */
  on<Pattern extends string>(
    pattern: Pattern,
    handler: EventHandler<PayloadOf<Payloads, Pattern>>,
    options?: HandlerOptions,
  ): this
  /** Verifies a request, handles its event and says what to answer. Never rejects. */
  receive(request: SignedRequest): Promise<Answer>
  /** For adapters: reports what they cannot hand over. */
  fail(error: unknown): Answer
  /** Resolves when nothing runs in the background: before a process ends, or for `waitUntil` of an edge runtime. */
  whenIdle(): Promise<void>
}

export const bodyTooLarge: Answer = { status: 413, outcome: 'refused', code: 'BODY_TOO_LARGE' }

const eventRunning: Answer = { status: 409, outcome: 'refused', code: 'EVENT_RUNNING' }
const failed: Answer = { status: 500, outcome: 'failed', code: 'RECEIVER_FAILED' }
const defaultMaxBodyBytes = 4_194_304

interface Registration {
  readonly fits: (type: string) => boolean
  readonly handler: EventHandler<unknown>
  readonly inBackground: boolean
}

/**
 * Makes a receiver of deliveries: verify, know repetitions, dispatch, answer.
 *
 * @throws TypeError when a secret is malformed, or when there is none.
 */
export function createReceiver<Payloads = Record<string, unknown>>(options: ReceiverOptions): Receiver<Payloads> {
  const { onError, onRefusal, handledIds = createHandledIds(), maxBodyBytes = defaultMaxBodyBytes } = options
  const verify = createVerifier(options)
  const registrations: Registration[] = []
  const background = new Set<Promise<void>>()

  const runInBackground = (event: ReceivedEvent, handler: EventHandler<unknown>) => {
    // After the answer: what a handler computes before it first waits would hold that up.
    const running = new Promise((resolve) => setTimeout(resolve))
      .then(() => handle(event, { handler, handledIds, onError }))
      .then(() => undefined)
      .finally(() => background.delete(running))
    background.add(running)
  }

  return {
    maxBodyBytes,
    on(pattern, handler, { inBackground = false } = {}) {
      // What a payload is, is the sender's word: the type is a promise to the handler alone.
      const untyped = handler as EventHandler<unknown>
      registrations.push({ fits: compileTypePattern(pattern), handler: untyped, inBackground })
      return this
    },
    async receive(request) {
      if (request.body.length > maxBodyBytes) return bodyTooLarge
      const verification = verify(request)
      if (verification.kind === 'refused') {
        onRefusal?.(verification)
        return { status: 401, outcome: 'refused', code: verification.code }
      }
      const { event } = verification
      const registration = registrations.find(({ fits }) => fits(event.type))
      if (registration === undefined) return { status: 200, outcome: 'ignored' }
      const obstacle = await claim(event, { handledIds, onError })
      if (obstacle !== null) return obstacle
      const { handler, inBackground } = registration
      if (!inBackground) return await handle(event, { handler, handledIds, onError })
      runInBackground(event, handler)
      return { status: 202, outcome: 'accepted' }
    },
    fail(error) {
      onError(error, null)
      return failed
    },
    async whenIdle() {
      while (background.size > 0) await Promise.all(background)
    },
  }
}

type Handling = Required<Pick<ReceiverOptions, 'handledIds' | 'onError'>> & { readonly handler: EventHandler<unknown> }

/** @returns null when the event is ours to handle now. */
async function claim(event: ReceivedEvent, { handledIds, onError }: Omit<Handling, 'handler'>): Promise<Answer | null> {
  try {
    const state = await handledIds.claim(event.id)
    if (state === 'handled') return { status: 200, outcome: 'duplicate' }
    // It may yet fail: a 2xx would keep the sender from trying again.
    return state === 'running' ? eventRunning : null
  } catch (error) {
    onError(error, event)
    return failed
  }
}

async function handle(event: ReceivedEvent, { handler, handledIds, onError }: Handling): Promise<Answer> {
  const note = async (step: 'keep' | 'release') => {
    try {
      await handledIds[step](event.id)
    } catch (error) {
      onError(error, event)
    }
  }
  try {
    const verdict = (await handler(event)) ?? 'accepted'
    await note('keep')
    return { status: 200, outcome: verdict }
  } catch (error) {
    await note('release')
    onError(error, event)
    const isMalformed = error instanceof ReceiverError && error.code === 'PAYLOAD_MALFORMED'
    return isMalformed ? { status: 400, outcome: 'refused', code: 'PAYLOAD_MALFORMED' } : failed
  }
}
