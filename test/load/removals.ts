import type { Engine } from '../../src/engine/engine.ts'
import { LABEL } from '../../src/registry/identity.ts'

/** Counts the containers of an installation that are removed, by whomever; not those of a pool, which come and go as users come. */
export class Removals implements Disposable {
  count = 0
  readonly #stop = new AbortController()

  constructor(engine: Engine, installation: string) {
    void this.#watch(engine, installation)
  }

  [Symbol.dispose](): void {
    this.#stop.abort()
  }

  async #watch(engine: Engine, installation: string): Promise<void> {
    for await (const event of engine.events({ [LABEL.installation]: installation }, this.#stop.signal)) {
      if (event.type === 'destroy' && event.labels[LABEL.role] !== 'slot') this.count++
    }
  }
}
