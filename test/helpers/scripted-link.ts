import type { SandboxFacts } from '../../src/sandbox/facts.ts'
import type { SandboxLink } from '../../src/sandbox/link.ts'
import type { SupervisorClient } from '../../src/supervisor/client.ts'
import { openScripted, type ScriptedSupervisor } from './scripted-supervisor.ts'

export const TEST_FACTS: SandboxFacts = {
  mode: 'persistent',
  runtime: 'test',
  workspace: '/workspace',
  spoolDir: '/tmp/.sandbox',
  env: { PATH: '/usr/bin:/bin', LANG: 'C.UTF-8' },
  network: 'none',
  packageManager: 'pip',
  maxTimeoutMs: 3_600_000,
  description: 'For tests.',
  imageId: 'sha256:0123',
  digest: '4567',
  packages: [],
  limits: {
    memoryBytes: 512 * 1024 ** 2,
    cpus: 1,
    pids: 256,
    tmpBytes: 64 * 1024 ** 2,
    fileBytes: 1024 ** 3,
    openFiles: 1024,
  },
  idleTimeoutMs: 1_800_000,
}

/** A link over scripted supervisors: each reconnection reaches the next of them. */
export interface ScriptedLink extends SandboxLink {
  /** The supervisors behind it, in order of connection. */
  readonly supervisors: readonly ScriptedSupervisor[]
  readonly evictionWaits: number
}

/** `boots`: the first byte of the boot id of each supervisor. */
export async function scriptedLink(boots: readonly number[] = [1]): Promise<ScriptedLink> {
  const pairs = await Promise.all(boots.map((boot) => openScripted(Buffer.alloc(16, boot))))
  let evictionWaits = 0
  const client = (): Promise<SupervisorClient> => {
    const open = pairs.find(({ connection }) => connection.isOpen)
    return open ? Promise.resolve(open.client) : Promise.reject(new Error('no supervisor is left'))
  }
  return {
    supervisors: pairs.map(({ supervisor }) => supervisor),
    get evictionWaits() {
      return evictionWaits
    },
    client,
    afterEviction: () => {
      evictionWaits++
      return client()
    },
  }
}
