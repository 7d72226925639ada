import { isSandboxError, SandboxError } from '../errors/sandbox-error.ts'
import type { SupervisorClient } from '../supervisor/client.ts'
import { ConnectionHeld, ConnectionLost, WireError } from '../supervisor/errors.ts'

/** The way to one user's supervisor. The registry provides it: it starts, wakes and reconnects as needed. */
export interface SandboxLink {
  /** The open client, or a new one once the sandbox is ready again. */
  client(signal?: AbortSignal): Promise<SupervisorClient>
  /** Waits until the hold of an eviction by another server is over and the sandbox is ready again. */
  afterEviction(signal?: AbortSignal): Promise<SupervisorClient>
}

/** A link over one open connection: once that is lost, so is the link. For those who look and do not wake. */
export function directLink(client: SupervisorClient): SandboxLink {
  return { client: () => Promise.resolve(client), afterEviction: () => Promise.resolve(client) }
}

/**
 * What may be done when the stream is lost before the answer came.
 * - `anywhere`: ask again, also in a new container (reads; whole overwrites).
 * - `same boot`: ask again if the same supervisor still runs (a START is found by its key, a WAIT by the command's id).
 * - `never`: whether it happened is unknown, so only the caller can decide.
 */
export type Repeat = 'anywhere' | 'same boot' | 'never'

/** Servers that are short of places may put a sandbox to sleep again and again; who meets more evictions than this is told. */
const MAX_HOLDS = 2

/** Runs one request over the link, repeats it where that is safe, and says plainly when the outcome is unknown. */
export async function overLink<T>(
  link: SandboxLink,
  repeat: Repeat,
  signal: AbortSignal | undefined,
  ask: (client: SupervisorClient) => Promise<T>,
): Promise<T> {
  let client = await link.client(signal)
  let holds = 0
  let wasLost = false
  for (;;) {
    try {
      return await ask(client)
    } catch (error) {
      if (isHold(error)) {
        // Nothing was begun. As the supervisor says it, whichever way it was noticed.
        if (holds++ === MAX_HOLDS) throw new WireError('quiescing', 0)
        client = await link.afterEviction(signal)
      } else if (error instanceof ConnectionLost) {
        if (wasLost) throw stopped(error)
        wasLost = true
        client = await reconnected(link, repeat, client, error, signal)
      } else throw error
    }
  }
}

function isHold(error: unknown): boolean {
  return error instanceof ConnectionHeld || (error instanceof WireError && error.code === 'quiescing')
}

async function reconnected(
  link: SandboxLink,
  repeat: Repeat,
  before: SupervisorClient,
  error: ConnectionLost,
  signal: AbortSignal | undefined,
): Promise<SupervisorClient> {
  if (repeat === 'never') throw stopped(error)
  const client = await link.client(signal).catch((failure: unknown) => {
    // Who hears only that the engine is down, or failed, would repeat a command that may have run.
    if (repeat === 'same boot' && isSandboxError(failure) && failure.code !== 'cancelled') throw stopped(failure)
    throw failure
  })
  const sameBoot = client.connection.hello.bootId.equals(before.connection.hello.bootId)
  if (repeat === 'same boot' && !sameBoot) throw stopped(error)
  return client
}

function stopped(cause: Error): SandboxError {
  return new SandboxError(
    'sandbox_stopped',
    'The sandbox stopped, or the way to it was cut, before the result was known.',
    {
      cause,
    },
  )
}
