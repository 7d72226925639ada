import type { ContainerSummary, Engine } from '../engine/engine.ts'
import { isSandboxError } from '../errors/sandbox-error.ts'
import type { SupervisorClient } from '../supervisor/client.ts'
import { ConnectionLost } from '../supervisor/errors.ts'
import { connect } from './connect.ts'

/**
 * Whether it looks as if no server had this container any more: as long as a server lives, it is connected to the sandboxes that it uses. Once
 * may be one that is just being made, so that two looks in a row are needed before anything goes.
 */
export async function seemsAbandoned(engine: Engine, container: ContainerSummary | undefined): Promise<boolean> {
  if (!container || container.state === 'created' || container.state === 'exited') return true
  // A paused one cannot be asked.
  if (container.state !== 'running') return false
  // The one connection is ours.
  return (await askSupervisor(engine, container.id, async (client) => (await client.info()).connections <= 1)) ?? false
}

/** Asks the supervisor of a container over a connection of its own; undefined when it does not answer: on its way out or in. */
export async function askSupervisor<T>(
  engine: Engine,
  containerId: string,
  ask: (client: SupervisorClient) => Promise<T>,
): Promise<T | undefined> {
  try {
    const client = await connect(engine, containerId)
    try {
      return await ask(client)
    } finally {
      client.connection.close('looked')
    }
  } catch (error) {
    if (error instanceof ConnectionLost || isSandboxError(error)) return undefined
    throw error
  }
}
