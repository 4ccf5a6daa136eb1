import { type FileHandle, open, rename, stat } from 'node:fs/promises'

export interface ServerLog {
  /** Given to the server as standard output and error. */
  readonly descriptor: number
  /** The last lines that were written since the log was opened. */
  tail(): Promise<string>
  close(): Promise<void>
}

/** Past this size a log is put aside at the next start, replacing the one before. */
const rotateBytes = 10 * 1024 * 1024
const tailBytes = 4096
const tailLines = 12

/** The file is opened by us, so that the server's account need not be able to reach it. */
export async function openServerLog(path: string): Promise<ServerLog> {
  const present = await stat(path).catch(() => null)
  if (present !== null && present.size > rotateBytes) {
    await rename(path, `${path}.1`)
  }
  const handle = await open(path, 'a+', 0o600)
  const { size: startBytes } = await handle.stat()
  return { descriptor: handle.fd, tail: () => readTail(handle, startBytes), close: () => handle.close() }
}

async function readTail(handle: FileHandle, startBytes: number): Promise<string> {
  const { size } = await handle.stat()
  const from = Math.max(startBytes, size - tailBytes)
  const { buffer } = await handle.read({ buffer: Buffer.alloc(size - from), position: from })
  return buffer.toString('utf8').trimEnd().split('\n').slice(-tailLines).join('\n')
}
