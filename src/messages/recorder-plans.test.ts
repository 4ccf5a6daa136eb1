import { expect, test } from 'vitest'
import { newMessage, startRecording } from '../../test/support/recording.ts'
import { until } from '../../test/support/until.ts'
import type { SourceId } from '../kernel/ids.ts'
import type { Recorder } from './recorder.ts'

const many = 20_000
let keys = 0

async function recordTwenty(recorder: Recorder, source: SourceId): Promise<void> {
  for (let count = 0; count < 20; count += 1) {
    keys += 1
    const claim = { key: `key:${keys}`, bodyHash: Buffer.alloc(32), windowMs: 3_600_000 }
    expect(await recorder.record({ message: newMessage(source), claim })).toMatchObject({ isDuplicate: false })
  }
}

test('a connection that began with empty tables reads no more of them when they have grown', async () => {
  const recording = await startRecording()
  const recorder = recording.recorder({ limits: { lanes: 1 } })
  const source = await recording.newSource()
  // Long enough for PostgreSQL to settle on a plan; nothing tells it afterwards that the tables grew.
  await recordTwenty(recorder, source)
  await recording.sql.query(
    `insert into claims (source_id, key, message_id, claimed_at, sequence)
     select $1::text, 'key:' || md5(n::text), 'msg_' || n, now(), n from generate_series(1, $2::int) as n`,
    [source, many],
  )
  await recording.sql.query(
    `insert into source_heads (source_id, project_id, log_epoch)
     select 'src_' || n, 'prj_1', 'a' from generate_series(1, $1::int) as n`,
    [many],
  )
  await recordTwenty(recorder, source)
  await recorder.close()
  const readOf = async (table: string) => {
    const [row] = await recording.sql.query<{ scans: number; rows: number }>(
      `select coalesce(s.idx_scan, 0)::int as scans, (coalesce(s.idx_tup_fetch, 0) + s.seq_tup_read)::int as rows
         from pg_stat_user_tables as s
        where s.relname = $1::text`,
      [table],
    )
    return row ?? { scans: 0, rows: 0 }
  }
  for (const table of ['claims', 'source_heads']) {
    // A session's statistics are there a little after its end.
    await until(async () => (await readOf(table)).scans >= 40, true)
    expect((await readOf(table)).rows, table).toBeLessThan(many / 10)
  }
  await recording.close()
})
