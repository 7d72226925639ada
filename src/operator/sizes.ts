import pLimit from 'p-limit'
import type { Engine } from '../engine/engine.ts'
import { isSandboxError } from '../errors/sandbox-error.ts'
import { counted, formatBytes } from '../lib/units.ts'
import { connect } from '../registry/connect.ts'
import { NO_LIMITS } from '../registry/quota/limits.ts'
import { measureSleeping } from '../registry/quota/measure-sleeping.ts'
import { measureWorkspace } from '../registry/quota/measure.ts'
import type { ReadyRuntime } from '../runtimes/ready-runtime.ts'
import { ConnectionLost } from '../supervisor/errors.ts'
import type { DiskUsage } from '../supervisor/protocol.ts'
import type { FoundSandbox } from './sandboxes.ts'

export interface SizeDeps {
  readonly engine: Engine
  /** A runtime whose image is there; its supervisor measures workspaces that sleep. */
  readonly anyRuntime: () => Promise<ReadyRuntime | undefined>
}

/** What a workspace takes on the disk, as `--json` prints it. */
export interface WorkspaceSize {
  readonly bytes: number
  /** Files, directories and links. */
  readonly files: number
  /** False: there is more than could be counted. */
  readonly isAll: boolean
}

const CONNECT_MS = 5000
/** Each is a container, when they sleep. */
const AT_ONCE = 2

/** Measures the workspaces, one or two at a time. null for those without one, and those that cannot be measured. */
export async function measureSizes(
  found: readonly FoundSandbox[],
  deps: SizeDeps,
): Promise<readonly (WorkspaceSize | null)[]> {
  const limit = pLimit(AT_ONCE)
  return await Promise.all(found.map((each) => limit(() => measureSize(each, deps))))
}

/** Asks the supervisor of a sandbox that runs; measures the volume of one that sleeps, or is frozen, in a container of its own. */
export async function measureSize(found: FoundSandbox, deps: SizeDeps): Promise<WorkspaceSize | null> {
  try {
    const usage = found.state === 'ready' ? await askRunning(found, deps) : await measureVolume(found, deps)
    return usage ? { bytes: usage.bytes, files: usage.entries, isAll: !usage.stopped && !usage.unseen } : null
  } catch (error) {
    // It went, slept or woke in this moment, or an image is missing: the rest of the list is worth having.
    if (isSandboxError(error) || error instanceof ConnectionLost) return null
    throw error
  }
}

async function askRunning({ containerId }: FoundSandbox, { engine }: SizeDeps): Promise<DiskUsage | undefined> {
  if (containerId === undefined) return undefined
  const client = await connect(engine, containerId, { signal: AbortSignal.timeout(CONNECT_MS) })
  try {
    return await measureWorkspace(client, NO_LIMITS)
  } finally {
    client.connection.close('measured')
  }
}

async function measureVolume({ volumeName }: FoundSandbox, { engine, anyRuntime }: SizeDeps) {
  const volume = volumeName === undefined ? undefined : await engine.volumes.inspect(volumeName)
  const runtime = volume && (await anyRuntime())
  return volume && runtime && (await measureSleeping(engine, volume, runtime.imageId))
}

/** "1.2 GiB in 3,400 files". */
export function sizeWords({ bytes, files, isAll }: WorkspaceSize): string {
  return `${isAll ? '' : 'more than '}${formatBytes(bytes)} in ${counted(files, 'file')}`
}
