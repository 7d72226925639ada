import {
  chownSync,
  closeSync,
  fchmodSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { SandboxError } from '../../errors/sandbox-error.ts'

const PRIVATE_FILE = 0o600
const PRIVATE_FOLDER = 0o700
/** Everything but others: what an operator may have opened to a group stays so. */
const NOT_OTHERS = 0o770
/** The lock is held for milliseconds. Who waits longer waits for a process that has died with it. */
const LOCK_WAIT_MS = 10_000
const LOCK_POLL_MS = 20

/**
 * Puts new content in the place of a file: all of it or none, also when the machine stops meanwhile (temporary file, fsync, rename, fsync
 * of the folder). A new file is private; one that is there keeps its owner and group, so that the server can still read what root has
 * changed. A symbolic link stays, and what it points to is replaced.
 */
export function replaceFile(path: string, bytes: Buffer): void {
  const before = statSync(path, { throwIfNoEntry: false })
  const target = before ? realpathSync(path) : path
  const temporary = `${target}.${process.pid}.tmp`
  const file = openSync(temporary, 'w', PRIVATE_FILE)
  try {
    writeSync(file, bytes)
    if (before) {
      fchmodSync(file, before.mode & NOT_OTHERS)
      if (before.uid !== process.getuid?.() || before.gid !== process.getgid?.())
        chownSync(temporary, before.uid, before.gid)
    }
    fsyncSync(file)
    renameSync(temporary, target)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  } finally {
    closeSync(file)
  }
  const folder = openSync(dirname(target), 'r')
  fsyncSync(folder)
  closeSync(folder)
}

/**
 * Runs `work` while no other process does so for the same file. The lock is a file beside it that only one process can make (open(2),
 * O_EXCL). One that is left over is not broken, since two that break it at once would both think they hold it: the error says what to do.
 */
export async function withFileLock<T>(path: string, work: () => T): Promise<T> {
  const lock = `${path}.lock`
  mkdirSync(dirname(path), { recursive: true, mode: PRIVATE_FOLDER })
  const deadline = performance.now() + LOCK_WAIT_MS
  while (!tryLock(lock)) {
    if (performance.now() > deadline) throw lockedBy(lock)
    await delay(LOCK_POLL_MS)
  }
  try {
    return work()
  } finally {
    rmSync(lock, { force: true })
  }
}

function tryLock(lock: string): boolean {
  let file: number
  try {
    file = openSync(lock, 'wx', PRIVATE_FILE)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
  writeSync(file, String(process.pid))
  closeSync(file)
  return true
}

function lockedBy(lock: string): SandboxError {
  const holder = readFileSync(lock, 'utf8')
  return new SandboxError('identity_unavailable', `Process ${holder} holds the lock ${lock}.`, {
    hint: `If that process is no \`sandbox-mcp token\`, it ended early: remove ${lock} and try again.`,
  })
}
