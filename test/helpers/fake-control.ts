import type { SandboxControl } from '../../src/sandbox/control.ts'

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

  async destroy(): Promise<void> {
    await this.#done('destroy')
  }

  #done(what: string): Promise<string> {
    this.asked.push(what)
    return Promise.resolve(this.runtime)
  }
}
