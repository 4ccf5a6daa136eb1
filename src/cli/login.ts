import { rm } from 'node:fs/promises'
import { createInterface } from 'node:readline/promises'
import { type CliContext, type Command, Failure } from './command.ts'
import { askGateway } from './gateway-api.ts'
import { checkKeyQuery } from './listen-documents.ts'
import { checkedKey, credentialsFile, defaultUrl, parseUrl, saveLogin } from './login-credentials.ts'

export const login: Command = {
  name: 'login',
  summary: 'Save gateway and API key for "listen", in a file that you alone can read.',
  operands: [],
  options: {
    url: { value: '<url>', description: `The gateway. Default: HOOKLINE_URL, then ${defaultUrl}.` },
    key: { value: '<hk_…>', description: 'API key. Default: HOOKLINE_KEY, then a line of standard input.' },
  },
  async run({ options }, context) {
    const { environment } = context
    const url = parseUrl(options.url ?? (environment.HOOKLINE_URL || defaultUrl), 'login')
    const key = checkedKey(options.key ?? (environment.HOOKLINE_KEY || (await readKey(context))), 'login')
    await askGateway({ url, key }, checkKeyQuery)
    const file = credentialsFile(environment)
    await saveLogin(file, { url, key })
    context.printError(`Logged in to ${url}. Saved in ${file}.`)
    return 0
  },
}

export const logout: Command = {
  name: 'logout',
  summary: 'Delete the saved gateway and API key. The key itself still holds.',
  operands: [],
  options: {},
  async run(_, { environment, printError }) {
    const file = credentialsFile(environment)
    try {
      await rm(file)
      printError(`Deleted ${file}.`)
    } catch (error) {
      if (!(error instanceof Error) || !('code' in error) || error.code !== 'ENOENT') {
        throw new Failure(`${file} cannot be deleted: ${error instanceof Error ? error.message : error}`)
      }
      printError('Nobody was logged in.')
    }
    return 0
  },
}

/** So that a key needs to stand neither in the shell's history nor in the list of processes. */
async function readKey({ printError }: CliContext): Promise<string> {
  if (process.stdin.isTTY) printError('Paste the API key:')
  const lines = createInterface({ input: process.stdin })
  try {
    for await (const line of lines) return line.trim()
    throw new Failure('There is no API key. Pass --key, set HOOKLINE_KEY, or give it on standard input.')
  } finally {
    lines.close()
  }
}
