import { setTimeout as delay } from 'node:timers/promises'
import type { Engine } from '../engine/engine.ts'
import { isSandboxError, SandboxError } from '../errors/sandbox-error.ts'
import { SupervisorClient } from '../supervisor/client.ts'
import { Connection } from '../supervisor/connection.ts'
import { ConnectionLost, SupervisorSilent } from '../supervisor/errors.ts'
import { BRIDGE_UID, SUPERVISOR_PATH } from '../supervisor/protocol.ts'

/** How long the engine may take to start the bridge, in milliseconds: on a busy machine an exec takes seconds. */
const BRIDGE_DEADLINE_MS = 20_000

export interface ConnectOptions {
  readonly signal?: AbortSignal | undefined
  /** For the supervisor's first words, in milliseconds. */
  readonly deadlineMs?: number
}

/** Opens the way to the supervisor of a running container. Fails with ConnectionLost when it does not answer. */
export async function connect(
  engine: Engine,
  containerId: string,
  { signal, deadlineMs }: ConnectOptions = {},
): Promise<SupervisorClient> {
  const command = [SUPERVISOR_PATH, 'connect']
  const call = { deadlineMs: BRIDGE_DEADLINE_MS, ...(signal ? { signal } : {}) }
  const stream = await engine.containers.openStream(containerId, { command, uid: BRIDGE_UID }, call)
  return new SupervisorClient(await Connection.open(stream, deadlineMs === undefined ? {} : { deadlineMs }))
}

/** A supervisor that is slow, or a stream that breaks once, is no reason to end what runs in a sandbox. */
const TRIES = 3
/** Silence takes its whole deadline, so it is borne less often. */
const SILENT_TRIES = 2
const PAUSE_MS = 300

/** The same, patiently. `sandbox_limit` when the supervisor has no connection left. */
export async function connectPatiently(
  engine: Engine,
  containerId: string,
  signal?: AbortSignal,
): Promise<SupervisorClient> {
  let silences = 0
  for (let tries = 1; ; tries++) {
    try {
      return await connect(engine, containerId, { signal })
    } catch (error) {
      const isSilent = error instanceof SupervisorSilent
      if (isSilent) silences++
      if (!(error instanceof ConnectionLost) || tries === TRIES || silences === SILENT_TRIES) throw error
      if (isFull(error)) {
        throw new SandboxError('sandbox_limit', 'Too many servers are connected to this sandbox.', { cause: error })
      }
      if (!isSilent) await delay(PAUSE_MS, undefined, signal ? { signal } : {})
    }
  }
}

/** Exit code of the bridge when the supervisor has no connection left (supervisor/PROTOCOL.md, "Connection"). */
const EXIT_FULL = 3

/** The exit code of the bridge, when that is how a connection ended; undefined when the stream was cut on the way, or closed by us. */
export function bridgeExitCode({ cause }: ConnectionLost): number | undefined {
  const code = isSandboxError(cause, 'engine_failed') ? cause.details['exitCode'] : undefined
  return typeof code === 'number' ? code : undefined
}

function isFull(error: ConnectionLost): boolean {
  return bridgeExitCode(error) === EXIT_FULL
}
