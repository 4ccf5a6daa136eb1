import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { hookline, type ListenWorld, startListenWorld } from './listen-world.ts'

let world: ListenWorld
let home: string
let file: string

beforeAll(async () => {
  world = await startListenWorld()
  await world.createSource('shop')
})
afterAll(() => world.close())

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'hookline-login-'))
  file = join(home, 'hookline', 'credentials.json')
  return () => rm(home, { recursive: true })
})

async function run(args: readonly string[], environment: Record<string, string> = {}, input = '') {
  const program = hookline(args, { XDG_CONFIG_HOME: home, ...environment })
  program.child.stdin?.end(input)
  const { code } = await program.exited
  return { code, output: program.output(), errors: program.errors() }
}

const logIn = () => run(['login', '--url', `${world.baseUrl}/`], {}, `${world.token}\n`)

test('login keeps gateway and key in a file that only its owner reads, and listen needs neither again', async () => {
  expect(await logIn()).toEqual({ code: 0, output: '', errors: `Logged in to ${world.baseUrl}. Saved in ${file}.\n` })
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({ url: world.baseUrl, key: world.token })
  const listener = hookline(['listen', 'shop'], { XDG_CONFIG_HOME: home })
  await listener.logs(`Listening to shop at ${world.baseUrl}`)
  listener.child.kill('SIGINT')
  expect((await listener.exited).code).toBe(0)
})

test('without XDG_CONFIG_HOME the file is in ~/.config', async () => {
  const program = hookline(['login', '--url', world.baseUrl, '--key', world.token], { HOME: home })
  expect((await program.exited).code).toBe(0)
  expect(JSON.parse(await readFile(join(home, '.config/hookline/credentials.json'), 'utf8'))).toHaveProperty('key')
})

test('a key that the gateway does not take is not saved', async () => {
  const { code, errors } = await run(['login', '--url', world.baseUrl, '--key', 'hk_wrong'])
  expect(code).toBe(1)
  expect(errors).toContain('does not take this API key')
  await expect(stat(file)).rejects.toThrow('ENOENT')
})

test('a saved key is shown to no other gateway', async () => {
  await logIn()
  const { code, errors } = await run(['listen', 'shop', '--url', 'http://127.0.0.1:1'])
  expect(code).toBe(1)
  expect(errors).toContain(`The saved login is one to ${world.baseUrl}, not to http://127.0.0.1:1.`)
})

test('--key and --url win over HOOKLINE_KEY and HOOKLINE_URL, and these over the saved login', async () => {
  await logIn()
  const byVariable = await run(['listen', 'shop'], { HOOKLINE_KEY: 'hk_of_the_environment' })
  expect(byVariable.errors).toContain(`${world.baseUrl} does not take this API key`)
  const wrong = { HOOKLINE_KEY: 'hk_wrong', HOOKLINE_URL: 'http://127.0.0.1:1' }
  const byOption = await run(['listen', 'nothing', '--url', world.baseUrl, '--key', world.token], wrong)
  expect(byOption.errors).toContain('There is no source "nothing"')
})

test('logout deletes the file; a second one has nothing to do', async () => {
  await logIn()
  expect(await run(['logout'])).toEqual({ code: 0, output: '', errors: `Deleted ${file}.\n` })
  expect(await run(['logout'])).toEqual({ code: 0, output: '', errors: 'Nobody was logged in.\n' })
  const { code, errors } = await run(['listen', 'shop'], { HOOKLINE_URL: world.baseUrl })
  expect(code).toBe(1)
  expect(errors).toBe('hookline: There is no API key. Pass --key, set HOOKLINE_KEY, or run "hookline login".\n')
})

test('a damaged file is told, not overwritten', async () => {
  await logIn()
  await writeFile(file, '{')
  const { code, errors } = await run(['listen', 'shop'])
  expect(code).toBe(1)
  expect(errors).toContain(`${file} is damaged. Log in again, or delete it.`)
})
