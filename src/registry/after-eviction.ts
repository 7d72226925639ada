import { setTimeout as delay } from 'node:timers/promises'
import { SandboxError } from '../errors/sandbox-error.ts'
import type { SupervisorClient } from '../supervisor/client.ts'
import { ConnectionLost, WireError } from '../supervisor/errors.ts'

/** How long a caller waits for another server's eviction, in milliseconds: enough to remove a container on a busy engine. */
const EVICTION_WAIT_MS = 20_000
const HOLD_POLL_MS = 100

/**
 * Asks over `connected`, which gives the way to what is there, until no hold of another server is in force: the eviction was done, and there
 * is a new sandbox, or it was not. Fails with `sandbox_starting` when that takes too long.
 */
export async function afterEviction(
  connected: (signal?: AbortSignal) => Promise<SupervisorClient>,
  signal?: AbortSignal,
): Promise<SupervisorClient> {
  const deadline = performance.now() + EVICTION_WAIT_MS
  while (performance.now() < deadline) {
    try {
      const client = await connected(signal)
      await client.stat('/', false, { signal })
      return client
    } catch (error) {
      const held = error instanceof WireError && error.code === 'quiescing'
      if (!held && !(error instanceof ConnectionLost)) throw error
    }
    await delay(HOLD_POLL_MS, undefined, signal ? { signal } : {})
  }
  throw new SandboxError('sandbox_starting', 'The sandbox is being put to sleep by another server.')
}
