import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CodedError } from '../kernel/coded-error.ts'
import { generateMasterKey, type MasterKey, parseMasterKeys } from './master-keys.ts'

/**
 * The master keys of an installation that was given none: kept in a file of the data directory that only its owner can
 * read, and generated when it is not there. Who has the directory has both, the sealed secrets and the key.
 *
 * @throws CodedError MASTER_KEY_FILE_BROKEN when the file holds something else.
 */
export async function loadMasterKeyFile(dataDir: string): Promise<MasterKey[]> {
  const file = join(dataDir, 'master-keys')
  await mkdir(dataDir, { recursive: true, mode: 0o711 })
  // `wx` fails when the file exists, so that two processes cannot both generate one.
  await writeFile(file, `${generateMasterKey()}\n`, { mode: 0o600, flag: 'wx' }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    },
  )
  const result = parseMasterKeys((await readFile(file, 'utf8')).trim())
  if (result.ok) return result.keys
  throw new CodedError(
    'MASTER_KEY_FILE_BROKEN',
    `${file} does not hold master keys: ${result.problems.join('; ')}. Restore it from a backup: without it the stored ` +
      'secrets cannot be opened.',
  )
}
