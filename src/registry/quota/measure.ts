import { ConnectionLost, WireError } from '../../supervisor/errors.ts'
import type { SupervisorClient } from '../../supervisor/client.ts'
import type { DiskUsage } from '../../supervisor/protocol.ts'
import { WORKSPACE } from '../sandbox-spec.ts'
import type { WorkspaceLimits } from './limits.ts'

/** What a workspace held when it was looked at. */
export interface Measured extends DiskUsage {
  /** Of performance.now(). */
  readonly atMs: number
  readonly tookMs: number
}

/** A walk beyond this tells a lower bound. */
const MAX_ENTRIES = 5_000_000
const MAX_MS = 30_000

/** Walks through a workspace. undefined where its supervisor cannot tell, or another server's walks are in the way just now. */
export async function measureWorkspace(
  client: SupervisorClient,
  { files }: WorkspaceLimits,
): Promise<Measured | undefined> {
  const atMs = performance.now()
  // One more than allowed tells that there are too many.
  const maxEntries = files > 0 ? Math.min(files + 1, MAX_ENTRIES) : MAX_ENTRIES
  const usage = await orBusy(client.usage(WORKSPACE, { maxEntries, maxMs: MAX_MS }))
  return usage && { ...usage, atMs, tookMs: performance.now() - atMs }
}

/** How full the file system of a path is, which costs one system call. undefined as above. */
export function lookAtDisk(client: SupervisorClient, path = WORKSPACE): Promise<DiskUsage | undefined> {
  return orBusy(client.usage(path, { maxEntries: 0, maxMs: 0 }))
}

/** A sandbox that goes in this moment has nothing to tell. */
async function orBusy<T>(asked: Promise<T | undefined>): Promise<T | undefined> {
  try {
    return await asked
  } catch (error) {
    if (error instanceof WireError || error instanceof ConnectionLost) return undefined
    throw error
  }
}
