import type { CallOptions, Engine } from '../engine/engine.ts'
import { belongsTo, choiceLabels, LABEL, type SandboxIdentity } from './identity.ts'
import { foreign } from './foreign.ts'

/**
 * Which runtime a user chose is kept as an empty volume, whose label names it. It has to outlive the container (evicted) and the server
 * (restarted), and the engine is the only record: labels cannot be changed, so it is neither on the workspace's volume nor on the
 * container; and a file in the workspace could be read only by starting a container of some runtime first.
 */

/** The runtime that the user chose; undefined when they did not. */
export async function readChoice(
  engine: Engine,
  identity: SandboxIdentity,
  call: CallOptions = {},
): Promise<string | undefined> {
  const volume = await engine.volumes.inspect(identity.choiceName, call)
  if (!volume) return undefined
  if (!belongsTo(volume.labels, identity, 'choice')) throw foreign('volume', identity.choiceName)
  return volume.labels[LABEL.runtime]
}

/** Remembers the choice. Of two servers that write at once one wins. */
export async function writeChoice(engine: Engine, identity: SandboxIdentity, runtime: string): Promise<void> {
  if ((await readChoice(engine, identity)) === runtime) return
  await engine.volumes.remove(identity.choiceName)
  await engine.volumes.ensure(identity.choiceName, choiceLabels(identity, runtime))
}

/** Forgets the choice. */
export async function removeChoice(engine: Engine, identity: SandboxIdentity): Promise<void> {
  if ((await readChoice(engine, identity)) === undefined) return
  await engine.volumes.remove(identity.choiceName)
}
