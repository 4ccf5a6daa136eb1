import { EndpointNode } from '../endpoints/endpoints.graphql.ts'
import { EventTypeNode } from '../event-types/event-types.graphql.ts'
import { builder } from '../graphql/builder.ts'
import type { Context } from '../graphql/context.ts'
import { contextLoader } from '../graphql/context-loader.ts'
import { tooLarge } from '../graphql/limits.ts'
import { badUserInput } from '../graphql/request-error.ts'
import { TimeRangeInput } from '../graphql/time-range.ts'
import type { TimeRange } from '../kernel/time-range.ts'
import { ProjectNode } from '../projects/projects.graphql.ts'
import type { Span } from '../rollups/index.ts'
import { SourceNode } from '../sources/sources.graphql.ts'
import { nodesOfEventType, nodesOfProject } from './counted-nodes.graphql.ts'
import { type Latency, latencyOf, type StatsBucket, successRatioOf } from './stats-bucket.ts'
import type { StatsQuery } from './stats-store.ts'
import { intervalsOf, type Piece, piecesOf, type SpanProblem, spanMs, type TimeSpan, timeSpanOf } from './time-span.ts'

const statsIntervals = {
  MINUTE: { value: 'minute', description: '60 seconds.' },
  HOUR: { value: 'hour', description: '60 minutes.' },
  DAY: { value: 'day', description: '24 hours.' },
} as const satisfies Record<Uppercase<Span>, { value: Span; description: string }>

const StatsIntervalEnum = builder.enumType('StatsInterval', {
  description: 'How long a bucket is. Days are in UTC.',
  values: statsIntervals,
})

const LatencyType = builder.objectRef<Latency>('Latency').implement({
  description: 'How long attempts took, in ms: percentiles from histograms, within 10 percent.',
  fields: (t) => ({
    meanMs: t.exposeFloat('meanMs', { description: 'The mean.' }),
    p50Ms: t.exposeFloat('p50Ms', { description: 'Half took no longer.' }),
    p95Ms: t.exposeFloat('p95Ms', { description: '95 in 100 took no longer.' }),
    p99Ms: t.exposeFloat('p99Ms', { description: '99 in 100 took no longer.' }),
  }),
})

export const StatsBucketType = builder.objectRef<StatsBucket>('StatsBucket').implement({
  description:
    'What happened in one span of time. Each thing counts when it happens; 0 also where it does not apply. A delivery that ends, is attempted again and ends again counts each time.',
  fields: (t) => ({
    from: t.expose('from', { type: 'DateTime', description: 'The beginning, included.' }),
    to: t.expose('to', { type: 'DateTime', description: 'The end, excluded.' }),
    receivedCount: t.expose('receivedCount', {
      type: 'SafeInt',
      description:
        'Messages accepted. They count when they are matched with endpoints, at once as a rule, for the time of receipt.',
    }),
    refusedCount: t.expose('refusedCount', { type: 'SafeInt', description: 'Requests turned away.' }),
    createdCount: t.expose('createdCount', { type: 'SafeInt', description: 'Deliveries created.' }),
    deliveredCount: t.expose('deliveredCount', { type: 'SafeInt', description: 'Deliveries that ended delivered.' }),
    failedCount: t.expose('failedCount', {
      type: 'SafeInt',
      description: 'Deliveries that ended failed or expired.',
    }),
    retriedCount: t.expose('retriedCount', {
      type: 'SafeInt',
      description: 'Attempts that failed and are repeated.',
    }),
    successRatio: t.float({
      description: 'Delivered in proportion to delivered and failed, 0 to 1; null when none ended.',
      nullable: true,
      resolve: successRatioOf,
    }),
    latency: t.field({
      type: LatencyType,
      description: 'How long attempts took; null when there were none.',
      nullable: true,
      resolve: latencyOf,
    }),
  }),
})

/** What is asked about, at one moment. */
interface Stats {
  readonly nodeIds: readonly string[]
  readonly span: TimeSpan
  readonly nowMs: number
}

const StatsType = builder.objectRef<Stats>('Stats').implement({
  description:
    'Counters and durations over a time, from rollups: the cost does not grow with the number of messages. A request may look at 100,000 rollups: of a day there are up to 150, of a series as many as it has intervals.',
  fields: (t) => ({
    total: t.field({
      type: StatsBucketType,
      description:
        'Over the whole time, widened to whole minutes; to hours where it begins over 48 hours ago, and to days where it begins over 90 days ago.',
      resolve: async ({ nodeIds, span, nowMs }, _args, context) => {
        const [total] = await read(context, { nodeIds, pieces: piecesOf(span, nowMs), interval: null })
        if (total === undefined) throw new Error('a whole has one bucket')
        return total
      },
    }),
    series: t.field({
      type: [StatsBucketType],
      description: 'Interval by interval, oldest first, empty ones included; at most 1,500.',
      args: {
        interval: t.arg({
          type: StatsIntervalEnum,
          required: true,
          defaultValue: 'hour',
          description: 'How long each one is. Minutes are kept for 48 hours, hours for 90 days, days for 2 years.',
        }),
      },
      resolve: async ({ nodeIds, span, nowMs }, { interval }, context) => {
        const piece = valid(intervalsOf(span, interval, nowMs))
        return await read(context, { nodeIds, pieces: [piece], interval })
      },
    }),
  }),
})

const bucketsByQuery = contextLoader<string, StatsBucket[]>(async ({ services }, keys) => {
  const queries = keys.map((key) => JSON.parse(key) as StatsQuery)
  const buckets = await services.stats.read(queries)
  return new Map(keys.map((key, place) => [key, buckets[place] ?? []]))
})

async function read(context: Context, query: StatsQuery): Promise<StatsBucket[]> {
  charge(context, query)
  return (await bucketsByQuery(context, JSON.stringify(query))) ?? []
}

/** Rollups that one request may look at. */
const maxRollups = 100_000
const looked = new WeakMap<Context, number>()

function charge(context: Context, { nodeIds, pieces }: StatsQuery): void {
  const rollups = nodeIds.length * pieces.reduce((sum, piece) => sum + lengthOf(piece), 0)
  const total = rollups + (looked.get(context) ?? 0)
  if (total > maxRollups)
    throw tooLarge('it looks at over 100,000 rollups; ask for shorter times, longer intervals or fewer objects')
  looked.set(context, total)
}

function lengthOf({ span, fromMs, toMs }: Piece): number {
  return (toMs - fromMs) / spanMs[span]
}

function statsOf(nodeIds: readonly string[], range: TimeRange | null | undefined): Stats {
  const nowMs = Date.now()
  return { nodeIds, span: valid(timeSpanOf(range, nowMs)), nowMs }
}

function valid<Value extends object>(found: Value | SpanProblem): Value {
  if ('problem' in found) throw badUserInput(found.problem)
  return found
}

const rangeArgument = {
  type: TimeRangeInput,
  description: 'What time to look at; null is the last 24 hours. An open end is now, an open beginning two years ago.',
}

builder.objectField(SourceNode, 'stats', (t) =>
  t.field({
    type: StatsType,
    description: 'Counters of this source and of the deliveries of its messages.',
    authScopes: { scope: 'read' },
    args: { range: t.arg(rangeArgument) },
    resolve: ({ id }, { range }) => statsOf([id], range),
  }),
)

builder.objectField(EndpointNode, 'stats', (t) =>
  t.field({
    type: StatsType,
    description: 'Counters and durations of its deliveries.',
    authScopes: { scope: 'read' },
    args: { range: t.arg(rangeArgument) },
    resolve: ({ id }, { range }) => statsOf([id], range),
  }),
)

builder.objectField(EventTypeNode, 'stats', (t) =>
  t.field({
    type: StatsType,
    description:
      "Counters of this type's messages and their deliveries since it was registered, without latency. Not for keys that are limited to some sources.",
    authScopes: { scope: 'read' },
    args: { range: t.arg(rangeArgument) },
    resolve: ({ id }, { range }, { viewer }) => statsOf(nodesOfEventType(viewer, id), range),
  }),
)

builder.objectField(ProjectNode, 'stats', (t) =>
  t.field({
    type: StatsType,
    description: 'Counters and durations of the whole project; for a key that is limited to some sources, of these.',
    authScopes: { scope: 'read' },
    args: { range: t.arg(rangeArgument) },
    resolve: (_project, { range }, { viewer }) => statsOf(nodesOfProject(viewer), range),
  }),
)
