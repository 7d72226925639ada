import { noticeFrom, type Notice } from './ladder.ts'
import type { PlacedSandbox } from './placement.ts'

/** What callers of a sandbox know of it. */
export interface Told {
  /**
   * The boot that they were last told of. With another one (a new container, or the same after a restart) the next of them is told what became
   * of the sandbox, also when it was made anew within a call.
   */
  readonly boot: Buffer | undefined
  /** How many thaws they were told of. */
  readonly thaws: number
}

/** What the callers of one sandbox are told of what became of it. */
export class Notices {
  #told: Told = { boot: undefined, thaws: 0 }
  #thaws = 0

  /** What is known now: a call that may have to wait takes it before, so that all who waited for one start are told of it. */
  get told(): Told {
    return this.#told
  }

  /** The sandbox was thawed. */
  thawed(): void {
    this.#thaws++
  }

  /** What a caller must be told who knew `before`; from now on the others know it too. */
  tell(before: Told, placed: PlacedSandbox): Notice | undefined {
    const boot = placed.client.connection.hello.bootId
    const thaws = this.#thaws
    if (this.#told.boot !== boot || this.#told.thaws !== thaws) this.#told = { boot, thaws }
    const wasThawed = thaws !== before.thaws
    if (before.boot?.equals(boot)) return wasThawed ? noticeFrom('frozen') : undefined
    const { how } = placed
    // Made, and perhaps frozen, by somebody else since.
    if (how === 'found' || (how === 'thawed' && before.boot)) return before.boot && 'recreated'
    return noticeFrom(RUNG_BEFORE[how])
  }
}

/** Where the sandbox stood before it was placed. */
const RUNG_BEFORE = { created: 'absent', thawed: 'frozen', resumed: 'evicted' } as const
