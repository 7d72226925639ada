import type { Engine, Labels } from '../../src/engine/engine.ts'
import { identityOf, LABEL } from '../../src/registry/identity.ts'

export interface LeftoverScene {
  readonly engine: Engine
  readonly installation: string
  /** Names of all users that there were; each has worked. */
  readonly users: readonly string[]
  /** Sandboxes that may be there for users who have not come. */
  readonly poolSize: number
}

interface Thing {
  readonly name: string
  readonly labels: Labels
}

/** What nobody has any use for: containers that do not run, containers and volumes of nobody, a pool that is larger than it may be. In words. */
export async function leftovers({ engine, installation, users, poolSize }: LeftoverScene): Promise<string[]> {
  const hashes = new Set(users.map((name) => identityOf(installation, name).userHash))
  const labels = { [LABEL.installation]: installation }
  const [containers, volumes] = [await engine.containers.list(labels), await engine.volumes.list(labels)]
  const isOfUser = (each: Thing) => hashes.has(each.labels[LABEL.user] ?? '')
  // A slot has no label of a user; the user's record names it.
  const records = volumes.filter((each) => isOfUser(each) && each.labels[LABEL.role] === 'owner')
  const recorded = new Set(records.flatMap((each) => [each.labels[LABEL.container], each.labels[LABEL.workspace]]))
  const ofNobody = (each: Thing) => !isOfUser(each) && !recorded.has(each.name)

  const ended = containers.filter(({ state }) => state !== 'running' && state !== 'paused')
  const strangers = containers.filter(ofNobody)
  const pool = new Set(strangers.filter((each) => each.labels[LABEL.role] === 'slot').map(({ name }) => name))
  const withFiles = new Set(volumes.filter(isOfUser).map((volume) => volume.labels[LABEL.user]))
  return [
    ...ended.map(({ name, state }) => `left over: container ${name}, ${state}`),
    ...strangers.filter(({ name }) => !pool.has(name)).map(({ name }) => `left over: container ${name} of nobody`),
    ...(pool.size > poolSize ? [`left over: ${pool.size} sandboxes of a pool of ${poolSize}`] : []),
    ...volumes
      .filter((each) => ofNobody(each) && !pool.has(each.name))
      .map(({ name }) => `left over: volume ${name} of nobody`),
    ...(withFiles.size < hashes.size ? [`${hashes.size - withFiles.size} users have no volume`] : []),
  ]
}
