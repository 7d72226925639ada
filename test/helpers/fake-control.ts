import type { SandboxControl, Snapshot } from '../../src/sandbox/control.ts'

const SNAPSHOT: Snapshot = {
  id: '20260131T120000000Z-0123abcd',
  name: undefined,
  createdAt: '2026-01-31T12:00:00.000Z',
  files: 3,
  bytes: 2048,
  compressedBytes: 512,
  skipped: 0,
}

/** Notes what is asked of it; the runtime is the one that was chosen last. */
export class FakeControl implements SandboxControl {
  readonly runtimes = ['polyglot', 'python-minimal']
  readonly asked: string[] = []
  runtime = 'python-minimal'

  restart(): Promise<string> {
    return this.#done('restart')
  }

  startOver(): Promise<string> {
    return this.#done('startOver')
  }

  useRuntime(name: string): Promise<string> {
    this.runtime = name
    return this.#done(`useRuntime ${name}`)
  }

  async snapshot(name: string | undefined): Promise<Snapshot> {
    await this.#done(`snapshot ${name ?? '-'}`)
    return { ...SNAPSHOT, name }
  }

  snapshots(): Promise<readonly Snapshot[]> {
    return Promise.resolve([SNAPSHOT])
  }

  async restoreSnapshot(wanted: string | undefined) {
    return { snapshot: { ...SNAPSHOT, name: wanted }, runtime: await this.#done(`restoreSnapshot ${wanted ?? '-'}`) }
  }

  async destroy(): Promise<{ readonly filesKept: boolean }> {
    await this.#done('destroy')
    return { filesKept: false }
  }

  #done(what: string): Promise<string> {
    this.asked.push(what)
    return Promise.resolve(this.runtime)
  }
}
