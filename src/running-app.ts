/** What a start comes to. */
export interface RunningApp {
  readonly urls: {
    readonly base: string
    /** Null in a process that only works. */
    readonly graphiql: string | null
  }
  /** The admin key's token, on an installation's first start only: it is not stored. */
  readonly firstAdminToken: string | null
  /** An address that takes requests without a signature; null when there is none. */
  readonly exampleIngressUrl: string | null
  /** What the operator should know, a sentence each. */
  readonly notices: readonly string[]
  /** Resolves when it can do its work no more and a new start is needed, with a CodedError that says why. */
  readonly broken: Promise<Error>
  /** Drains and closes everything, in the opposite order of its opening. */
  stop(): Promise<void>
}
