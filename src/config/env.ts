/** Variables by name, as the shell gave them. */
export type Environment = Readonly<Record<string, string | undefined>>

/** The only reader of `process.env`. */
export function readEnvironment(): Environment {
  return { ...process.env }
}
