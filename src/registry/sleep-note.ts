import type { CallOptions, Engine } from '../engine/engine.ts'
import { foreign } from './foreign.ts'
import { belongsTo, LABEL, sleepLabels, sleepName, type SandboxIdentity } from './identity.ts'

/**
 * Since when a user's sandbox sleeps is kept as an empty volume, whose label says so. It has to outlive the container, which is gone, and the
 * server; a volume's own time of creation is that of its first use; and the newest time below the workspace would take a helper container for
 * each sleeper at each look, and tells of writes alone, not of use.
 *
 * Nothing is noted when a sandbox goes to sleep: whoever looks first at a workspace without a container notes that time. So every way in
 * which a container can go counts (an eviction, its own end, somebody's `docker rm`), and an eviction does nothing more than it has to.
 */

/** Notes that the sandbox sleeps. Of two servers the first one's time counts. */
export async function noteSleep(engine: Engine, identity: SandboxIdentity, sinceMs: number): Promise<void> {
  const { labels } = await engine.volumes.ensure(sleepName(identity), sleepLabels(identity, sinceMs))
  if (!belongsTo(labels, identity, 'slept')) throw foreign('volume', sleepName(identity))
}

/** Forgets it: the user is back, or gone. */
export async function forgetSleep(engine: Engine, identity: SandboxIdentity, call: CallOptions = {}): Promise<void> {
  const note = await engine.volumes.inspect(sleepName(identity), call)
  if (note && belongsTo(note.labels, identity, 'slept')) await engine.volumes.remove(note.name, call)
}

/** Who sleeps, by the hash of the user, since when in Unix milliseconds. NaN where the note cannot be read. */
export async function listSleepers(engine: Engine, installation: string): Promise<ReadonlyMap<string, number>> {
  const notes = await engine.volumes.list({ [LABEL.installation]: installation, [LABEL.role]: 'slept' })
  return new Map(notes.map(({ labels }) => [labels[LABEL.user] ?? '', Number(labels[LABEL.since])]))
}
