import type { ContainerDetails, Engine } from '../engine/engine.ts'
import { identityOf, type SandboxIdentity } from '../registry/identity.ts'
import type { UserProfiles } from '../registry/modes/user-profile.ts'
import { type SandboxState, stateOf } from './sandboxes.ts'

/** A user who works in a container of the operator's. Only the configuration tells: the container carries no mark. */
export interface AttachedUser {
  readonly identity: SandboxIdentity
  /** Name or id of the container. */
  readonly container: string
}

/** Such a container as the engine shows it; `missing`: there is none of that name. */
export interface AttachedContainer {
  readonly state: SandboxState | 'missing'
  readonly details: ContainerDetails | undefined
}

/** The users of mode attach. */
export function attachedUsers(installation: string, profiles: UserProfiles): readonly AttachedUser[] {
  return profiles.named.flatMap((user) => {
    const { mode } = profiles.of(user)
    return mode?.name === 'attach' ? [{ identity: identityOf(installation, user), container: mode.container }] : []
  })
}

/** Looks at such a container; puts nothing into it and changes nothing. */
export async function inspectAttached(engine: Engine, { container }: AttachedUser): Promise<AttachedContainer> {
  const details = await engine.containers.inspect(container)
  return { state: details ? stateOf(details) : 'missing', details }
}
