import { WireError } from '../../src/supervisor/errors.ts'
import type { SupervisorClient } from '../../src/supervisor/client.ts'
import type { CommandInfo, DiskUsage } from '../../src/supervisor/protocol.ts'

const ROOMY: DiskUsage = {
  bytes: 4096,
  entries: 1,
  stopped: undefined,
  unseen: undefined,
  fsBytes: 1024 ** 4,
  fsFreeBytes: 1024 ** 4 / 2,
  fsInodes: 1_000_000,
  fsFreeInodes: 500_000,
}

/** A sandbox as those see it who only measure: what its workspace holds, what runs, and what was done to it. */
export class MeasuredSandbox {
  usage: DiskUsage = ROOMY
  walks = 0
  looks: string[] = []
  running: { id: string; status: 'running' | 'exited'; leftRunning: boolean }[] = []
  cancelled: string[] = []
  killedAll = 0
  /** Called before each walk is answered, with its number: what the sandbox has written meanwhile, or a wait. */
  onWalk: ((walk: number) => void | Promise<void>) | undefined
  onCancel: ((id: string) => void) | undefined

  holds(bytes: number, entries = 10): void {
    this.usage = { ...this.usage, bytes, entries }
  }

  get client(): SupervisorClient {
    return {
      usage: async (path: string, { maxEntries }: { maxEntries: number }) => {
        if (maxEntries === 0) {
          this.looks.push(path)
          return { ...this.usage, bytes: 0, entries: 0 }
        }
        this.walks++
        await this.onWalk?.(this.walks)
        return this.usage
      },
      commands: () => Promise.resolve(this.running as unknown as CommandInfo[]),
      cancel: (id: string) => {
        this.cancelled.push(id)
        this.onCancel?.(id)
        return this.running.some((each) => each.id === id)
          ? Promise.resolve()
          : Promise.reject(new WireError('no_command', 0))
      },
      killAll: () => {
        this.killedAll++
        return Promise.resolve()
      },
    } as unknown as SupervisorClient
  }
}
