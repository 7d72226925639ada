import { memAvailable } from '../process-use.ts'
import type { SuiteResult } from '../report.ts'
import type { World } from '../world.ts'

const MIB = 1024 * 1024

/** What an idle sandbox takes of the machine: the drop of available memory, shim and daemon included. */
export async function memory(world: World): Promise<SuiteResult> {
  const count = world.quick ? 5 : 20
  const use = async (user: string) => {
    const lease = await world.app.registry.acquire(user)
    await lease.sandbox.commands.run({ command: 'true', timeoutMs: 5000, waitMs: 5000, maxOutputBytes: 1024 })
    lease.release()
  }
  await use('memory-warm')
  const before = memAvailable()
  for (let i = 0; i < count; i++) await use(`memory-${i}`)
  const each = (before - memAvailable()) / count / MIB
  return {
    suite: 'Memory',
    columns: ['what', 'MiB'],
    rows: [[`idle sandbox, of ${count}`, each]],
    promises: [{ what: 'MiB per idle sandbox', value: each, atMost: 8 }],
  }
}
