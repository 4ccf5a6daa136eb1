import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
// Not by the domain's index: that loads the ORM, for which `--help` would have to wait.
import { checkEntries, maxEntries } from '../event-types/event-type-input.ts'
import type { Issue, UserFailure } from '../kernel/outcome.ts'
import type { Page } from '../projects/page.ts'
import type { ListedEventType, Toolbox } from '../toolbox.ts'
import { type Command, Failure } from './command.ts'
import { describeFailure } from './describe-failure.ts'
import { type FileEntry, parseEventTypesFile } from './event-types-file.ts'
import { expectDone, withToolbox } from './with-toolbox.ts'

export const importEventTypes: Command = {
  name: 'event-types import',
  summary: 'Register event types from a file, - for standard input: names or JSON.',
  operands: ['file'],
  options: { project: { value: '<name>', description: 'Project whose catalogue it is.', isRequired: true } },
  async run({ operands, options }, context) {
    const entries = parseEventTypesFile(await read(operands.file ?? ''))
    const chunks = chunksOf(entries)
    checkBeforehand(entries, chunks)
    const counts = await withToolbox(context, (toolbox) => register(toolbox, options.project ?? '', chunks))
    context.print(`Created ${counts.created}, updated ${counts.updated}.`)
    return 0
  },
}

export const listEventTypes: Command = {
  name: 'event-types list',
  summary: 'List the event types of a project by name.',
  operands: [],
  options: { project: { value: '<name>', description: 'Project to look at.', isRequired: true } },
  async run({ options }, context) {
    await withToolbox(context, async (toolbox) => {
      let after: string | null = null
      do {
        const page: Page<ListedEventType> = expectDone(await toolbox.listEventTypes(options.project ?? '', after))
        for (const type of page.rows) context.print(rowOf(type))
        after = page.hasMore ? (page.rows.at(-1)?.name ?? null) : null
      } while (after !== null)
    })
    return 0
  },
}

async function read(file: string): Promise<string> {
  if (file === '-') return await text(process.stdin)
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new Failure(`${file} cannot be read: ${error instanceof Error ? error.message : error}`)
  }
}

type Chunk = readonly FileEntry[]

function chunksOf(entries: readonly FileEntry[]): Chunk[] {
  const starts = Array.from({ length: Math.ceil(entries.length / maxEntries) }, (_, index) => index * maxEntries)
  return starts.map((start) => entries.slice(start, start + maxEntries))
}

/** @throws Failure for what the file alone can tell: so that a mistake at its end does not leave its beginning imported. */
function checkBeforehand(entries: readonly FileEntry[], chunks: readonly Chunk[]): void {
  if (entries.length === 0) throw new Failure('The file names no event type.')
  const problems = [
    ...repeated(entries),
    ...chunks.flatMap((chunk) => {
      const { issues } = checkEntries(chunk.map(({ entry }) => entry))
      return issues.filter(({ code }) => code !== 'NAME_TAKEN').map((issue) => describeIssue(issue, chunk))
    }),
  ]
  if (problems.length > 0) throw new Failure(problems.join('\n'))
}

function repeated(entries: readonly FileEntry[]): string[] {
  const firstLines = new Map<string, number>()
  return entries.flatMap(({ line, entry: { name } }) => {
    const firstLine = firstLines.get(name)
    if (firstLine === undefined) firstLines.set(name, line)
    return firstLine === undefined ? [] : [`line ${line}: "${name}" stands in line ${firstLine} already.`]
  })
}

async function register(
  toolbox: Toolbox,
  project: string,
  chunks: readonly Chunk[],
): Promise<{ created: number; updated: number }> {
  const counts = { created: 0, updated: 0 }
  for (const chunk of chunks) {
    const entries = chunk.map(({ entry }) => entry)
    const outcome = await toolbox.registerEventTypes(project, entries)
    if (outcome.kind !== 'done') throw new Failure(describeRefusal(outcome, chunk, counts))
    counts.created += outcome.value.created
    counts.updated += outcome.value.updated
  }
  return counts
}

function describeRefusal(failure: UserFailure, chunk: Chunk, counts: { created: number; updated: number }): string {
  const isOfEntries = failure.kind === 'invalid'
  const reason = isOfEntries
    ? failure.issues.map((issue) => describeIssue(issue, chunk)).join('\n')
    : describeFailure(failure)
  const before = counts.created + counts.updated
  const scope = `Nothing of lines ${chunk[0]?.line} to ${chunk.at(-1)?.line} was imported, nor of what follows them`
  return before === 0 ? `${reason}\nNothing was imported.` : `${reason}\n${scope}; the ${before} before were.`
}

// The path is that of the list that was sent: `['input', 'eventTypes', '3', 'schema']`.
function describeIssue({ path, message }: Issue, chunk: Chunk): string {
  const [, , index, field] = path
  const at = chunk[Number(index)]
  return at === undefined ? message : `line ${at.line}: ${field} of "${at.entry.name}": ${message}`
}

function rowOf({ name, description, schema, onViolation, isDeprecated }: ListedEventType): string {
  const state = [...(isDeprecated ? ['deprecated'] : []), ...(schema ? [`schema: ${onViolation}`] : [])]
  // Whatever a description holds, its row stays one line of three columns.
  return [name, state.join(', ') || '-', (description ?? '').replace(/[\p{Cc}\s]+/gu, ' ')].join('\t').trimEnd()
}
