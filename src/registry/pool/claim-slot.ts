import type { ContainerSpec } from '../../engine/engine.ts'
import type { Telemetry } from '../../lib/telemetry.ts'
import type { SandboxIdentity } from '../identity.ts'
import { ensureOwner, resolveOwner } from '../owner.ts'
import { type PlacedSandbox, type PlacementDeps, type PlacementOptions, wantedRuntime } from '../placement.ts'
import { containerSpec, WORKSPACE } from '../sandbox-spec.ts'
import type { Pool } from './pool.ts'
import type { Slot } from './slot.ts'

export interface ClaimDeps extends PlacementDeps {
  readonly pool: Pool
  readonly telemetry: Telemetry
}

/**
 * Gives a new user a sandbox of the pool: takes a slot, which its supervisor grants to one server only, and makes the owner record, which the
 * engine grants to one server only. Nothing of the user runs before both are had. Undefined when their sandbox has to be looked for or made
 * as any other: for a user who is not new, and on each kind of miss.
 */
export async function claimSlot(
  deps: ClaimDeps,
  identity: SandboxIdentity,
  preferred: string,
  options: PlacementOptions = {},
): Promise<PlacedSandbox | undefined> {
  const { engine, policy, pool, telemetry, logger } = deps
  if (!pool.isOn) return undefined
  const call = options.signal ? { signal: options.signal } : {}
  const [owner, wanted] = await Promise.all([
    resolveOwner(engine, identity, call),
    wantedRuntime(deps, identity, preferred, call),
  ])
  if (!owner.isNew) return undefined
  const runtime = pool.ready === 0 ? undefined : await deps.runtime(wanted.name, options)
  const slot = runtime ? await pool.take(runtime, policy) : 'empty'
  if (typeof slot === 'string' || !runtime) {
    telemetry.poolClaim(typeof slot === 'string' ? slot : 'empty')
    return undefined
  }
  const { name, client, containerId } = slot
  const { labels, uid } = slot.spec
  const spec = containerSpec({ name, labels, uid, volumeName: name }, runtime, policy)
  try {
    await adaptLimits(deps, slot, spec)
    const decided = await ensureOwner(engine, identity, { workspace: name, container: name }, call)
    if (decided.volumeName === name) {
      // Counts as use: the sandbox is idle since it has a user, not since it was made, or another server would put it to sleep at once.
      await client.stat(WORKSPACE, false)
      telemetry.poolClaim('hit')
      logger.info({ container: containerId, slot: name }, 'a new user got a sandbox of the pool')
      return { client, containerId, how: 'created', runtime, wanted: spec, outdated: [] }
    }
  } catch (error) {
    // The engine may have made the record and not said so: then the user's next call finds the slot by it, else a sweep does.
    client.connection.close('its owner is not known')
    throw error
  }
  // Their sandbox is the one that the other server has found for them.
  telemetry.poolClaim('raced')
  await pool.discard(slot)
  return undefined
}

/** Sets the limits that the operator grants this user where they differ from those that the slot was made with. */
async function adaptLimits({ engine }: ClaimDeps, { spec, containerId }: Slot, wanted: ContainerSpec): Promise<void> {
  const { memoryBytes, cpus, pids } = wanted.limits
  const { limits } = spec
  if (limits.memoryBytes === memoryBytes && limits.cpus === cpus && limits.pids === pids) return
  await engine.containers.update(containerId, { memoryBytes, cpus, pids })
}
