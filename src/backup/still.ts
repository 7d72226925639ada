import { setTimeout as delay } from 'node:timers/promises'
import type { CallOptions, ContainerDetails, Engine } from '../engine/engine.ts'
import { isSandboxError, SandboxError } from '../errors/sandbox-error.ts'
import { thaw } from '../runtimes/helper-leftovers.ts'
import { findContainer, type Owner } from '../registry/owner.ts'

/** A call that thaws the sandbox spoils a copy; it is taken again so often before the caller is told to come back. */
const MAX_TRIES = 3
/** For the call that came in between, so that it is done when the next copy begins; in milliseconds. */
const PAUSE_MS = 500

export interface StillOptions {
  readonly signal?: AbortSignal | undefined
  /** Longest time for which a running sandbox is held still, in milliseconds. */
  readonly maxHeldMs: number
  /** Told how long it was. */
  readonly onHeld?: ((heldMs: number) => void) | undefined
}

/**
 * Runs `copy` while nothing writes to the user's files. A running sandbox is frozen for so long (the cgroup freezer): a single moment for all its
 * processes, whether or not they cooperate, whichever server they serve, after which each goes on as if nothing had been; calls that come
 * meanwhile wait. QUIESCE would hold only a sandbox in which nothing runs, and that one is not disturbed by a pause either. One that sleeps
 * is read as it is.
 *
 * Nobody is locked out: a call that finds no connection thaws the sandbox, and a server may start one that slept. Then the copy is of no single
 * moment, and is taken again; `sandbox_busy` when that happens each time.
 *
 * `helper` makes what the copy needs, before anything is frozen, and is told which container will be: its label outlives this process, so
 * that a sweep lets go of what a dead one held.
 */
export async function whileStill<T>(
  engine: Engine,
  owner: Owner,
  helper: (frozen: string | undefined) => Promise<AsyncDisposable & { copy(signal: AbortSignal): Promise<T> }>,
  options: StillOptions,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    options.signal?.throwIfAborted()
    try {
      return await once(engine, owner, helper, options)
    } catch (error) {
      if (!isSandboxError(error, 'sandbox_busy') || error.details['again'] === false || tries === MAX_TRIES) throw error
    }
    await delay(PAUSE_MS, undefined, options.signal ? { signal: options.signal } : {})
  }
}

async function once<T>(
  engine: Engine,
  owner: Owner,
  helper: Parameters<typeof whileStill<T>>[2],
  { signal, maxHeldMs, onHeld }: StillOptions,
): Promise<T> {
  const call: CallOptions = signal ? { signal } : {}
  const before = await findContainer(engine, owner, call)
  const mustFreeze = before?.state === 'running'
  await using scene = await helper(mustFreeze ? before.id : undefined)
  const deadline = AbortSignal.timeout(maxHeldMs)
  const held = mustFreeze
    ? signal
      ? AbortSignal.any([signal, deadline])
      : deadline
    : (signal ?? new AbortController().signal)
  const began = performance.now()
  try {
    if (mustFreeze) await engine.containers.pause(before.id, call)
    const result = await scene.copy(held)
    const after = await findContainer(engine, owner, call)
    if (!isUntouched(before, after, mustFreeze)) {
      throw new SandboxError('sandbox_busy', 'The sandbox was used while its files were copied.')
    }
    return result
  } catch (error) {
    if (mustFreeze && deadline.aborted && !signal?.aborted) throw tooLong(maxHeldMs, error)
    throw error
  } finally {
    if (mustFreeze) {
      await thaw(engine, before.id)
      onHeld?.(performance.now() - began)
    }
  }
}

/** True when the same container, if any, is as it was all the time, as far as its state tells. */
function isUntouched(
  before: ContainerDetails | undefined,
  after: ContainerDetails | undefined,
  frozenByUs: boolean,
): boolean {
  if (!before || !after) return before === after || (before?.state === 'exited' && !after)
  const wanted = frozenByUs ? 'paused' : before.state
  return after.id === before.id && after.startedAtMs === before.startedAtMs && after.state === wanted
}

function tooLong(maxHeldMs: number, cause: unknown): SandboxError {
  return new SandboxError(
    'sandbox_busy',
    `Copying the files takes longer than the ${maxHeldMs / 1000} s for which a running sandbox may be held still.`,
    {
      hint: 'Put the sandbox to sleep first (sandbox-mcp stop USER), or allow longer (backupHold).',
      details: { again: false },
      cause,
    },
  )
}
