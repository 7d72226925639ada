import type { CallOptions, Engine, VolumeDetails } from '../engine/engine.ts'
import { foreign } from './foreign.ts'
import { belongsTo, LABEL, sleepLabels, sleepName, type SandboxIdentity } from './identity.ts'

/**
 * Since when a user's sandbox sleeps is kept as an empty volume, whose label says so. It has to outlive the container, which is gone, and the
 * server; a volume's own time of creation is that of its first use; and the newest time below the workspace would take a helper container for
 * each sleeper at each look, and tells of writes alone, not of use.
 *
 * Nothing is noted when a sandbox goes to sleep: whoever looks first at a workspace without a container notes that time. So every way in
 * which a container can go counts (an eviction, its own end, somebody's `docker rm`), and an eviction does nothing more than it has to.
 *
 * It is forgotten by whoever comes to use the files, also by a server that archives nothing: it is among the volumes by which the owner is found,
 * so that to know of it costs nothing. Else it would outlast the use, and the next server that archives would take a nap for a long sleep.
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

/** Since when the user's sandbox sleeps, in Unix milliseconds, by the note among these volumes. NaN where it cannot be read; undefined without one. */
export function sleepSince(identity: SandboxIdentity, volumes: readonly VolumeDetails[]): number | undefined {
  const note = volumes.find(({ labels }) => belongsTo(labels, identity, 'slept'))
  return note && Number(note.labels[LABEL.since])
}
