import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { type FileHandle, mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { vi } from 'vitest'

const run = promisify(execFile)
const MEMINFO = '/proc/meminfo'
/** Above the time between two looks of a server, on a busy machine too. */
const LOOK_MS = 30_000
const POLL_MS = 10

/** How a server is started that can have a /proc/meminfo of its own: `launcher` of the options of servers. */
export const IN_OWN_MOUNTS = ['unshare', '--mount'] as const

/** What a server reads of the machine's memory, in the hand of a test. */
export interface OwnMeminfo extends AsyncDisposable {
  /** The server looks once, and finds so much available. Resolves when it has read that; whatever an earlier look led to is done then. */
  look(availableBytes: number): Promise<void>
}

/** Why there can be none on this machine; undefined when there can. */
export function noOwnMeminfo(): string | undefined {
  return process.platform === 'linux' && process.getuid?.() === 0 ? undefined : 'needs root on Linux'
}

/**
 * A pipe in place of /proc/meminfo for one server that was started {@link IN_OWN_MOUNTS}, from now on: each of its looks waits until the test answers
 * it (fifo(7)). The machine itself is brought into no need, and what others take of its memory changes nothing. `await using` takes it away, which has to be
 * before the server ends.
 */
export async function ownMeminfo(pid: number): Promise<OwnMeminfo> {
  const directory = await mkdtemp(join(tmpdir(), 'sandbox-mcp-meminfo-'))
  const pipe = join(directory, 'meminfo')
  const real = await readFile(MEMINFO, 'utf8')
  const inside = (...command: string[]) => run('nsenter', ['--target', String(pid), '--mount', '--', ...command])
  await run('mkfifo', [pipe])
  await inside('mount', '--bind', pipe, MEMINFO)
  return {
    async look(availableBytes) {
      const writer = await vi.waitUntil(() => writerOf(pipe), { timeout: LOOK_MS, interval: POLL_MS })
      await writer.writeFile(real.replace(/^(MemAvailable:\s+)\d+/m, `$1${Math.floor(availableBytes / 1024)}`))
      await writer.close()
      // Its end of the pipe is closed: it has read to the end.
      await vi.waitUntil(async () => !(await hasReader(pipe)), { timeout: LOOK_MS, interval: POLL_MS })
    },
    async [Symbol.asyncDispose]() {
      await inside('umount', '--lazy', MEMINFO)
      // A look that waits for its answer would hold up the end of the process. Without a reader this opens the pipe, too (fifo(7)).
      const both = await open(pipe, constants.O_RDWR)
      await both.writeFile(real)
      await both.close()
      await rm(directory, { recursive: true })
    },
  }
}

/** The pipe's other end; undefined while nobody reads. */
async function writerOf(pipe: string): Promise<FileHandle | undefined> {
  try {
    return await open(pipe, constants.O_WRONLY | constants.O_NONBLOCK)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENXIO') return undefined
    throw error
  }
}

async function hasReader(pipe: string): Promise<boolean> {
  const writer = await writerOf(pipe)
  await writer?.close()
  return writer !== undefined
}
