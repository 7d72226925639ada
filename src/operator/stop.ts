import type { Engine } from '../engine/engine.ts'
import { SandboxError } from '../errors/sandbox-error.ts'
import { counted } from '../lib/units.ts'
import type { SandboxIdentity } from '../registry/identity.ts'
import { connect } from '../registry/connect.ts'
import { removeContainer } from '../registry/take-down.ts'
import type { Output } from './output.ts'
import { findSandbox } from './sandboxes.ts'

export interface StopArgs {
  /** Also when something runs in it, or its supervisor does not answer. */
  readonly force: boolean
}

export interface StopDeps {
  readonly engine: Engine
  readonly out: Output
}

const CONNECT_MS = 5000
/** Enough to remove a container on a busy engine, in milliseconds. */
const HOLD_MS = 10_000

/**
 * `sandbox-mcp stop USER`: puts a sandbox to sleep: its container goes, its files stay, and the user's next call brings it back. One that is
 * in use is left alone unless forced: `sandbox_busy`. The supervisor decides, as it knows of every server's calls.
 */
export async function stopSandbox(
  identity: SandboxIdentity,
  { force }: StopArgs,
  { engine, out }: StopDeps,
): Promise<void> {
  const { state, containerId } = await findSandbox(engine, identity)
  const wasRunning = containerId !== undefined
  if (state === 'frozen' && containerId !== undefined && !force) await engine.containers.unpause(containerId)
  if ((state === 'ready' || state === 'frozen') && containerId !== undefined && !force) await hold(engine, containerId)
  await removeContainer(engine, identity)
  const id = `id:${identity.userHash}`
  if (out.json) out.write(`${JSON.stringify({ id, stopped: wasRunning }, undefined, 2)}\n`)
  else out.write(wasRunning ? `${id} sleeps; its files are kept.\n` : `${id} sleeps already; its files are kept.\n`)
}

/** Keeps everybody else from using the sandbox while its container goes. */
async function hold(engine: Engine, containerId: string): Promise<void> {
  const client = await connect(engine, containerId, { signal: AbortSignal.timeout(CONNECT_MS) })
  try {
    const { ok } = await client.quiesce(0, HOLD_MS)
    if (ok) return
    const { running } = await client.info()
    throw new SandboxError('sandbox_busy', `The sandbox is in use, by ${counted(running, 'command')}.`)
  } finally {
    client.connection.close('asked')
  }
}
