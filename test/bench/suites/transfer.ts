import { execFile } from 'node:child_process'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { once } from 'node:events'
import { promisify } from 'node:util'
import type { Transfer } from '../../../src/sandbox/transfer.ts'
import { seededBytes } from '../../helpers/random.ts'
import { type Case, interleave } from '../measure.ts'
import { rssBytes } from '../process-use.ts'
import { medianOf, STATS_COLUMNS, statsRows, type SuiteResult } from '../report.ts'
import type { World } from '../world.ts'

const run = promisify(execFile)
const MIB = 1024 * 1024
const LARGE_BYTES = 1_000_000_000
const QUICK_BYTES = 100_000_000
/** Read from and written to the disk of this machine at once, so that its many small calls are not what is measured. */
const DISK_BYTES = 256 * 1024
const SMALL_FILES = 2000
const SMALL_BYTES = 1000

/** A file of 1 GB in and out beside `docker cp` of the same file, and a directory of small files as an archive. */
export async function transfer(world: World): Promise<SuiteResult> {
  const bytes = world.quick ? QUICK_BYTES : LARGE_BYTES
  const folder = await mkdtemp(join(tmpdir(), 'bench-transfer-'))
  const lease = await world.app.registry.acquire('transfer')
  try {
    const { transfer: moving } = lease.sandbox
    const { id: container } = await world.containerOf('transfer')
    const [large, out] = [join(folder, 'large'), join(folder, 'out')]
    await writeLarge(large, bytes)
    await writeFiles(moving)
    const rss = new RssGrowth()
    const cases: readonly Case[] = [
      { name: 'docker cp in', run: () => run('docker', ['cp', large, `${container}:/workspace/copied`]) },
      { name: 'write', run: () => rss.during(() => write(moving, large, bytes)) },
      { name: 'docker cp out', run: () => run('docker', ['cp', `${container}:/workspace/copied`, out]) },
      { name: 'read', run: () => rss.during(() => read(moving, out)) },
      { name: `pack ${SMALL_FILES} files`, run: () => pack(moving, out) },
      { name: `extract ${SMALL_FILES} files`, run: () => extract(moving, out) },
    ]
    const stats = await interleave(cases, { rounds: world.quick ? 3 : 5, warmUp: 1 })
    const speed = (ours: string, theirs: string) => medianOf(stats, theirs) / medianOf(stats, ours)
    return {
      suite: `Transfer of ${bytes / 1e6} MB`,
      columns: STATS_COLUMNS,
      rows: statsRows(stats),
      promises: [
        { what: 'speed of a write beside docker cp', value: speed('write', 'docker cp in'), atLeast: 0.5 },
        { what: 'speed of a read beside docker cp', value: speed('read', 'docker cp out'), atLeast: 0.5 },
        { what: 'highest RSS growth in MiB', value: rss.highest / MIB, atMost: 50 },
      ],
    }
  } finally {
    lease.release()
    await rm(folder, { recursive: true, force: true })
  }
}

/** How far the resident memory of this process rises above what it was before, at most. */
class RssGrowth {
  highest = 0

  async during(work: () => Promise<void>): Promise<void> {
    // Resets the high-water mark (proc(5), clear_refs).
    await writeFile('/proc/self/clear_refs', '5')
    const before = rssBytes(process.pid)
    await work()
    this.highest = Math.max(this.highest, rssBytes(process.pid, 'VmHWM') - before)
  }
}

async function writeLarge(path: string, bytes: number): Promise<void> {
  const piece = seededBytes(MIB)
  const file = await open(path, 'w')
  for (let at = 0; at < bytes; at += piece.length) await file.write(piece, 0, Math.min(piece.length, bytes - at))
  await file.close()
}

async function writeFiles(moving: Transfer): Promise<void> {
  for (let at = 0; at < SMALL_FILES; at++) {
    const source = Readable.from([seededBytes(SMALL_BYTES, at)])
    await moving.write(`files/d${at % 20}/f${at}`, source, { mode: 'overwrite', maxBytes: SMALL_BYTES })
  }
}

async function write(moving: Transfer, path: string, bytes: number): Promise<void> {
  await moving.write('large', piecesOf(path), { mode: 'overwrite', maxBytes: bytes })
}

/** Through one buffer: a piece was taken when the next is asked for. */
async function* piecesOf(path: string): AsyncGenerator<Buffer> {
  const buffer = Buffer.alloc(DISK_BYTES)
  const file = await open(path)
  try {
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length)
      if (bytesRead === 0) return
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await file.close()
  }
}

async function read(moving: Transfer, path: string): Promise<void> {
  const file = createWriteStream(path, { highWaterMark: DISK_BYTES })
  await moving.read('large', { offset: 0, length: 0 }, (piece) => (file.write(piece) ? undefined : drained(file)))
  file.end()
  await finished(file)
}

async function drained(file: NodeJS.WritableStream): Promise<void> {
  await once(file, 'drain')
}

async function pack(moving: Transfer, path: string): Promise<void> {
  await writeFile(`${path}.tar.gz`, moving.pack('files', 'tar.gz'))
}

async function extract(moving: Transfer, path: string): Promise<void> {
  const source = createReadStream(`${path}.tar.gz`)
  await moving.extract(source, 'tar.gz', 'unpacked', { overwrite: true, maxBytes: SMALL_FILES * SMALL_BYTES * 2 })
}
