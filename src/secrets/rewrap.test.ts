import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Configuration, doneValue, startConfiguration } from '../../test/support/configuration.ts'
import { registerMasterKeys } from '../db/master-keys.ts'
import type { Sql } from '../db/sql.ts'
import { createEndpoint, createEndpointDirectory } from '../endpoints/index.ts'
import { rotateEndpointSecret } from '../endpoints/rotate-endpoint-secret.ts'
import { openResponse } from '../sources/accepted-response.ts'
import { createSource, SourceEntity } from '../sources/index.ts'
import { openToken } from '../sources/ingress-token.ts'
import { rulesOf } from '../sources/source-verification.ts'
import { createSealer, generateMasterKey, type MasterKey, parseMasterKeys } from './index.ts'
import { rewrap } from './rewrap.ts'
import { countSealedValues } from './sealed-values.ts'

let configuration: Configuration
beforeAll(async () => {
  configuration = await startConfiguration()
})
afterAll(async () => {
  await configuration.close()
})
beforeEach(async () => {
  await configuration.sql.query('delete from secrets')
  await configuration.sql.query('delete from endpoints')
  await configuration.sql.query('delete from sources')
})

function newKey(id: string): MasterKey {
  const parsed = parseMasterKeys(`${id}:${generateMasterKey().split(':')[1]}`)
  const [key] = parsed.ok ? parsed.keys : []
  if (key === undefined) throw new Error('no key')
  return key
}

const [before, after] = [newKey('before'), newKey('after')]
const both = createSealer([after, before])

async function counts(): Promise<Record<string, number>> {
  return Object.fromEntries(await countSealedValues(configuration.sql))
}

const secret = { name: 'X-Secret', value: 'a', isSecret: true }

/** Something in every place where sealed values rest: ten of them. */
async function seal(sealer = createSealer([before])) {
  const deps = { ...configuration, sealer }
  const reach = await configuration.newProject()
  const meta = { preset: { preset: 'META', secret: 'shop', verifyToken: 'verify me' } } as const
  const headers = [secret, { ...secret, name: 'X-Open', isSecret: false }, { ...secret, name: 'X-Other', value: 'b' }]
  const acceptedResponse = { status: 200, headers, body: '' }
  const source = doneValue(await createSource(deps, reach, { name: 'orders', verification: meta, acceptedResponse }))
  const input = { url: 'https://receiver.example/', headers: [secret], authentication: { bearer: 'token' } }
  const { endpoint } = doneValue(await createEndpoint(deps, reach, input))
  doneValue(await rotateEndpointSecret(deps, reach, { ownerId: endpoint.id, overlapMs: 60_000 }))
  doneValue(await rotateEndpointSecret(deps, reach, { ownerId: endpoint.id, overlapMs: 60_000 }))
  return { sourceId: source.id, endpointId: endpoint.id }
}

/** `act` runs before the statement that `isMeant` says. */
function interrupted(isMeant: (text: string) => boolean, act: () => Promise<unknown>): Sql {
  return {
    async query(text, values) {
      if (isMeant(text)) await act()
      return await configuration.sql.query(text, values)
    },
  }
}

test('after a rewrap the former key is needed for nothing, neither to start nor to open', async () => {
  const { sql, orm } = configuration
  const { sourceId, endpointId } = await seal()
  expect(await counts()).toEqual({ before: 10 })
  await expect(registerMasterKeys(sql, [after])).rejects.toMatchObject({
    code: 'MASTER_KEY_MISSING',
    publicMessage: expect.stringContaining('"before"'),
  })

  expect(await rewrap(sql, both)).toEqual({ resealedCount: 10, brokenCount: 0, firstBroken: null })
  expect(await counts()).toEqual({ after: 10 })
  await registerMasterKeys(sql, [after])
  const sealer = createSealer([after])
  expect(await createEndpointDirectory({ ...configuration, sealer }).byId(endpointId)).toMatchObject({
    headers: [['X-Secret', 'a']],
    authentication: ['Authorization', 'Bearer token'],
    secrets: { length: 3 },
  })
  const source = await orm.em.fork().findOneOrFail(SourceEntity, { id: sourceId })
  expect(openToken(sealer, source)).toMatch(/^[\w-]{43}$/)
  expect(rulesOf(sealer, source)).toMatchObject({ preset: 'META', verifyToken: 'verify me' })
  expect(source.acceptedResponse && openResponse(sealer, sourceId, source.acceptedResponse).headers).toEqual([
    ['X-Secret', 'a'],
    ['X-Open', 'a'],
    ['X-Other', 'b'],
  ])
  expect(await rewrap(sql, both)).toMatchObject({ resealedCount: 0 })
})

test.each(['sources', 'endpoints'])('a start needs the key of what is sealed in %s alone', async (table) => {
  await seal()
  await configuration.sql.query('delete from secrets')
  await configuration.sql.query(`delete from ${table === 'sources' ? 'endpoints' : 'sources'}`)
  await expect(registerMasterKeys(configuration.sql, [after])).rejects.toMatchObject({ code: 'MASTER_KEY_MISSING' })
})

test('a rewrap that dies half way goes on where it stood', async () => {
  await seal()
  let updates = 0
  const dying = interrupted(
    (text) => text.includes('update'),
    async () => {
      updates += 1
      if (updates > 2) throw new Error('killed')
    },
  )
  await expect(rewrap(dying, both)).rejects.toThrow('killed')
  const half = await counts()
  expect(half).toEqual({ after: 2, before: 8 })
  expect(await rewrap(configuration.sql, both)).toMatchObject({ resealedCount: 8 })
  expect(await counts()).toEqual({ after: 10 })
})

test('what is changed while it runs is not undone', async () => {
  const { endpointId } = await seal()
  const newer = both.seal('newer', { table: 'endpoints', rowId: endpointId })
  const racing = interrupted(
    (text) => /update endpoints\s+set sealed_credential/.test(text),
    () => configuration.sql.query(`update endpoints set sealed_credential = $1::text`, [newer]),
  )
  expect(await rewrap(racing, both)).toMatchObject({ resealedCount: 9, brokenCount: 0 })
  const directory = createEndpointDirectory({ ...configuration, sealer: createSealer([after]) })
  expect((await directory.byId(endpointId))?.authentication).toEqual(['Authorization', 'Bearer newer'])
})

test('what does not open is left as it is, told, and harms nothing else', async () => {
  const { endpointId } = await seal()
  await configuration.sql.query(`update endpoints set sealed_headers = sealed_credential || 'AAAA'`)
  const report = await rewrap(configuration.sql, both)
  expect(report).toMatchObject({ resealedCount: 9, brokenCount: 1, firstBroken: { code: 'SEAL_BROKEN' } })
  expect(report.firstBroken?.message).toContain(endpointId)
  expect(await counts()).toEqual({ after: 9, before: 1 })
})

test('more than one step of rows is done', async () => {
  await seal()
  const context = (index: number) => ({ table: 'secrets', rowId: `sec_${String(index).padStart(4, '0')}` })
  const rows = Array.from({ length: 250 }, (_, index) => context(index))
  const sealer = createSealer([before])
  await configuration.sql.query(
    `insert into secrets (id, owner_id, sealed, hint, created_at)
     select n.id, 'ept_none', n.sealed, '', now() from unnest($1::text[], $2::text[]) as n (id, sealed)`,
    [rows.map(({ rowId }) => rowId), rows.map((row) => sealer.seal('text', row))],
  )
  expect(await rewrap(configuration.sql, both)).toMatchObject({ resealedCount: 260, brokenCount: 0 })
})
