import { setTimeout as delay } from 'node:timers/promises'
import { memAvailable, rssBytes } from '../process-use.ts'
import type { SuiteResult } from '../report.ts'
import type { World } from '../world.ts'

const MIB = 1024 * 1024
const GIB_IN_MIB = 1024
/** Of a quick run, which computes the rest. */
const QUICK_COUNT = 20
/** More would mean that a sandbox takes next to nothing: then something else is measured. */
const MOST = 600
/** What has to be left of the machine, in MiB. */
const SPARE_MIB = 1024
const READS = 15
const READ_EVERY_MS = 100

/**
 * What idle sandboxes take of the machine on each rung of the ladder: the drop of the memory that the kernel says is available, so that shims,
 * the engine and the server's own share are in it. Users are added until 1 GiB is gone; a quick run adds a few, and computes the rest.
 */
export async function memory(world: World): Promise<SuiteResult> {
  const use = async (user: string) => {
    const lease = await world.app.registry.acquire(user)
    await lease.sandbox.commands.run({ command: 'true', timeoutMs: 5000, waitMs: 5000, maxOutputBytes: 1024 })
    lease.release()
  }
  await use('memory-warm')
  const before = await settledMib()
  if (before < GIB_IN_MIB + SPARE_MIB) throw new Error(`${before.toFixed(0)} MiB are too few for this suite`)
  const ownBefore = rssBytes(process.pid)
  const users: string[] = []
  const isEnough = () =>
    world.quick ? users.length === QUICK_COUNT : before - memAvailable() / MIB >= GIB_IN_MIB || users.length === MOST
  while (!isEnough()) {
    const user = `memory-${users.length}`
    await use(user)
    users.push(user)
  }
  const count = users.length
  const each = async () => (before - (await settledMib())) / count
  const ready = await each()
  const server = (rssBytes(process.pid) - ownBefore) / count / MIB
  for (const user of users) await (await world.containerOf(user)).pause()
  const frozen = await each()
  for (const user of users) await world.evict(user)
  const evicted = await each()

  const fit = GIB_IN_MIB / ready
  return {
    suite: `Memory of idle sandboxes, of ${count}`,
    columns: ['what', 'MiB each'],
    rows: [
      ['ready', ready],
      ['of it the server’s own', server],
      ['frozen', frozen],
      ['evicted', evicted],
    ],
    promises: [
      { what: 'MiB per idle sandbox', value: ready, atMost: 8 },
      { what: 'idle sandboxes in 1 GiB', value: fit, atLeast: 128 },
    ],
  }
}

/** MiB that are available: the median of some reads, as caches and collectors move it by tens of MiB for a moment. */
async function settledMib(): Promise<number> {
  const reads: number[] = []
  while (reads.length < READS) {
    reads.push(memAvailable() / MIB)
    await delay(READ_EVERY_MS)
  }
  return reads.toSorted((a, b) => a - b)[Math.floor(READS / 2)] ?? Number.NaN
}
