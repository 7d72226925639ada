import { SandboxError } from '../../errors/sandbox-error.ts'
import type { ReadyRuntime } from '../../runtimes/ready-runtime.ts'
import { newSlotName } from '../identity.ts'
import type { SandboxPolicy } from '../sandbox-spec.ts'
import { poolKey } from './pool-key.ts'
import { RefillPause } from './refill-pause.ts'
import { makeSlot, removeSlot, type Slot, type SlotDeps } from './slot.ts'

export interface PoolDeps extends SlotDeps {
  /** How many slots of each runtime are kept ready, by its name. */
  readonly sizes: ReadonlyMap<string, number>
  /** Makes the image of a runtime ready. */
  readonly runtime: (name: string, options: { readonly signal: AbortSignal }) => Promise<ReadyRuntime>
  /** How many slots there may be now, beside what the users have. */
  readonly spare: () => number
  /** Slots that are made at the same time. */
  readonly maxStarts: number
  /** Gives a start its turn among those of users. */
  readonly turn: <T>(start: () => Promise<T>) => Promise<T>
}

/** Why there was no slot: none is ready · all ready ones are of another kind · those that were ready have died. */
export type PoolMiss = 'empty' | 'mismatch' | 'lost'

/** A supervisor that has nothing to do answers in a millisecond; a user waits for this one. In milliseconds. */
const CLAIM_MS = 2000
/** From a claim to the start of the next slot, in milliseconds: a start takes a whole processor for some tenths of a second. */
const REFILL_AFTER_MS = 100
/** After the pool gave way to something that it must not compete with, in milliseconds. */
const SHRINK_PAUSE_MS = 60_000

/**
 * Sandboxes that run and have no user yet, so that a new user waits for none. Each is given out once and never comes back; another takes
 * its place at once. They give way to users: none is made where a user's container would find no room.
 */
export class Pool {
  readonly #deps: PoolDeps
  readonly #pause: RefillPause
  #ready: Slot[] = []
  /** Names of those that are ready, or being made or removed. */
  readonly #names = new Set<string>()
  /** By runtime: how many are to come, those included that wait for an image or a turn. */
  readonly #coming = new Map<string, number>()
  #starting = 0
  /** What is under way, so that the end can wait for it. */
  readonly #work = new Set<Promise<void>>()
  readonly #closing = new AbortController()
  #isOn = false
  #leaving = 0

  constructor(deps: PoolDeps) {
    this.#deps = deps
    this.#pause = new RefillPause(() => this.refill())
  }

  /** True when slots are kept: a miss is one only then. */
  get isOn(): boolean {
    return this.#isOn
  }

  get ready(): number {
    return this.#ready.length
  }

  get starting(): number {
    return this.#starting
  }

  /** Containers that it holds, those included that are just being made or removed. */
  get taken(): number {
    return this.ready + this.#starting + this.#leaving
  }

  /** True for a slot that this pool keeps, makes or removes. */
  holds(name: string): boolean {
    return this.#names.has(name)
  }

  /** Begins to keep slots. */
  start(): void {
    if ([...this.#deps.sizes.values()].every((size) => size === 0)) return
    this.#isOn = true
    this.refill()
  }

  /** Makes what is missing and may be made now; to be called when there may be more room than before. Never waits or throws. */
  refill(): void {
    while (this.#isOn && this.#pause.isOver) {
      const coming = [...this.#coming.values()].reduce((sum, count) => sum + count, 0)
      if (coming >= this.#deps.maxStarts) return
      const name = this.#lacking()
      if (name === undefined || this.ready + this.#leaving + coming >= this.#deps.spare()) return
      this.#coming.set(name, (this.#coming.get(name) ?? 0) + 1)
      void this.#track(this.#make(name))
    }
  }

  /** Takes a slot that is as this user's sandbox has to be: from now on it is the caller's, to use or to remove. */
  async take(runtime: ReadyRuntime, policy: SandboxPolicy): Promise<Slot | PoolMiss> {
    const key = poolKey(runtime, policy)
    let miss: PoolMiss = this.#ready.some((slot) => slot.runtime.name === runtime.name) ? 'mismatch' : 'empty'
    for (;;) {
      // Out of the list before anything is awaited, so that nobody else here is given the same one.
      const slot = this.#pick((each) => each.key === key)
      if (!slot) break
      miss = 'lost'
      this.#names.delete(slot.name)
      if (await this.#claim(slot)) {
        this.#refillSoon()
        return slot
      }
      slot.client.connection.close('the slot is not to be had')
    }
    this.#dropOutdated(runtime)
    this.#refillSoon()
    return miss
  }

  /** Removes a slot that was taken and got no user. Never rejects. */
  discard(slot: Slot): Promise<void> {
    return this.#track(this.#discard(slot))
  }

  /** Removes one slot to make room for a user's container, also one that is just being started; resolves to whether there was one. */
  async giveWay(): Promise<boolean> {
    while (this.ready === 0 && this.#starting > 0) await Promise.race(this.#work)
    const slot = this.#ready.pop()
    if (!slot) return false
    await this.#track(this.#remove(slot))
    return true
  }

  /** As {@link giveWay}, and makes no other for a while: its memory is needed for longer. */
  shrink(): Promise<boolean> {
    this.#pause.atLeast(SHRINK_PAUSE_MS)
    return this.giveWay()
  }

  /** Removes all slots that nobody has. */
  async close(): Promise<void> {
    this.#isOn = false
    this.#pause.stop()
    this.#closing.abort(new SandboxError('cancelled', 'The server is shutting down.'))
    for (;;) {
      for (const slot of this.#ready.splice(0)) void this.#track(this.#remove(slot))
      if (this.#work.size === 0) return
      // What is being made is ready then, and goes in the next round.
      await Promise.all(this.#work)
    }
  }

  /** The runtime of which there are too few. */
  #lacking(): string | undefined {
    for (const [name, size] of this.#deps.sizes) {
      const have = this.#ready.filter((slot) => slot.runtime.name === name).length + (this.#coming.get(name) ?? 0)
      if (have < size) return name
    }
    return undefined
  }

  #pick(matches: (slot: Slot) => boolean): Slot | undefined {
    const at = this.#ready.findIndex(matches)
    return at < 0 ? undefined : this.#ready.splice(at, 1)[0]
  }

  async #make(name: string): Promise<void> {
    const { runtime, turn, logger } = this.#deps
    const slotName = newSlotName()
    this.#names.add(slotName)
    try {
      const of = await runtime(name, { signal: this.#closing.signal })
      const slot = await turn(() => this.#start(slotName, of))
      if (!slot) return
      this.#pause.succeeded()
      this.#ready.push(slot)
      slot.client.connection.onClose(() => this.#onLost(slot))
      if (!slot.client.connection.isOpen) this.#onLost(slot)
    } catch (err) {
      if (this.#closing.signal.aborted) return
      this.#pause.failed()
      logger.warn({ runtime: name, err }, 'a sandbox for the pool could not be started; tried again later')
    } finally {
      this.#coming.set(name, (this.#coming.get(name) ?? 0) - 1)
      if (!this.#ready.some((slot) => slot.name === slotName)) this.#names.delete(slotName)
    }
  }

  /** Undefined when the room was taken while it waited for its turn, or the end has come. */
  async #start(slotName: string, runtime: ReadyRuntime): Promise<Slot | undefined> {
    if (!this.#isOn || this.taken >= this.#deps.spare()) return undefined
    this.#starting++
    try {
      return await makeSlot(this.#deps, slotName, runtime)
    } finally {
      this.#starting--
    }
  }

  /** At once, but not while the user who just came runs their first command. */
  #refillSoon(): void {
    if (this.#pause.isOver) this.#pause.atLeast(REFILL_AFTER_MS)
  }

  /** Its container ended, or its connection did, while nobody had it. */
  #onLost(slot: Slot): void {
    if (!this.#pick((each) => each === slot)) return
    this.#pause.failed()
    this.#deps.logger.warn({ slot: slot.name }, 'a slot of the pool was lost')
    void this.discard(slot)
  }

  /** Of an image, or of settings, that are no longer those of the runtime. */
  #dropOutdated(runtime: ReadyRuntime): void {
    const current = poolKey(runtime, this.#deps.policy)
    for (;;) {
      const slot = this.#pick((each) => each.runtime.name === runtime.name && each.key !== current)
      if (!slot) return
      void this.#track(this.#remove(slot))
    }
  }

  /** Whoever removes a slot claims it first: of a sandbox that somebody has nothing is removed here. */
  async #remove(slot: Slot): Promise<void> {
    this.#leaving++
    const claimed = await this.#claim(slot)
    this.#leaving--
    if (claimed) return await this.#discard(slot)
    this.#names.delete(slot.name)
    slot.client.connection.close('the slot is not to be had')
  }

  async #discard({ name, client }: Slot): Promise<void> {
    this.#leaving++
    try {
      await removeSlot(this.#deps.engine, name)
    } catch (err) {
      this.#deps.logger.warn({ slot: name, err }, 'a slot could not be removed; a later sweep does')
    } finally {
      this.#leaving--
      this.#names.delete(name)
      client.connection.close('the slot is removed')
    }
  }

  async #claim({ name, client }: Slot): Promise<boolean> {
    try {
      return await client.claim({ deadlineMs: CLAIM_MS })
    } catch (err) {
      // Whether it was claimed is not known; nobody is at it any more, so the sweep finds it.
      this.#deps.logger.warn({ slot: name, err }, 'a slot did not answer')
      return false
    }
  }

  /** Remembers work that the end has to wait for; none of it rejects. */
  #track(work: Promise<void>): Promise<void> {
    const tracked = work.finally(() => {
      this.#work.delete(tracked)
      this.refill()
    })
    this.#work.add(tracked)
    return tracked
  }
}
