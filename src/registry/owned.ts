import type { CallOptions, ContainerSummary, Engine, Labels, VolumeDetails } from '../engine/engine.ts'
import { identityOfHash, isSlot, LABEL } from './identity.ts'
import { isContainerOf, isWorkspaceOf, type Owner, ownerFrom } from './owner.ts'

/** What the engine has of one user. */
export interface Owned {
  readonly owner: Owner
  readonly container: ContainerSummary | undefined
  readonly workspace: VolumeDetails | undefined
}

/** A slot that no user has: its container, its volume, or both. */
export interface UnownedSlot {
  readonly name: string
  readonly container: ContainerSummary | undefined
  readonly volume: VolumeDetails | undefined
}

/** Everything of an installation that outlives a call. */
export interface Holdings {
  /** All of its containers, whatever for. */
  readonly containers: readonly ContainerSummary[]
  readonly users: readonly Owned[]
  readonly slots: readonly UnownedSlot[]
}

/** Every user of an installation of whom the engine has anything, ordered by their hashes. Starts nothing. */
export async function listOwned(
  engine: Engine,
  installation: string,
  call: CallOptions = {},
): Promise<readonly Owned[]> {
  return (await listHoldings(engine, installation, call)).users
}

/** As {@link listOwned}, with the slots that nobody has. */
export async function listHoldings(engine: Engine, installation: string, call: CallOptions = {}): Promise<Holdings> {
  const ofInstallation = { [LABEL.installation]: installation }
  // In this order: a slot that gets a user meanwhile is seen as owned, not as one that nobody has.
  const containers = await engine.containers.list(ofInstallation, call)
  const volumes = await engine.volumes.list(ofInstallation, call)
  const users = usersOf(installation, containers, volumes)
  const owned = new Set(users.flatMap(({ owner }) => [...owner.containerNames, owner.volumeName]))
  const free = (each: { readonly name: string; readonly labels: Labels }) =>
    isSlot(each, installation) && !owned.has(each.name)
  const slotContainers = containers.filter(free)
  const slotVolumes = volumes.filter(free)
  const names = new Set([...slotContainers, ...slotVolumes].map(({ name }) => name))
  const slots = [...names].sort().map((name) => ({
    name,
    container: slotContainers.find((each) => each.name === name),
    volume: slotVolumes.find((each) => each.name === name),
  }))
  return { containers, users, slots }
}

const HASH = /^[0-9a-f]{32}$/
/** Roles of what is a user's own; a container that downloads for a user is not. */
const OF_USER: ReadonlySet<string | undefined> = new Set(['sandbox', 'workspace', 'choice', 'owner'])

function usersOf(
  installation: string,
  containers: readonly ContainerSummary[],
  volumes: readonly VolumeDetails[],
): readonly Owned[] {
  const ofUser = new Map<string, { isAnonymous: boolean; readonly volumes: VolumeDetails[] }>()
  const entryOf = (labels: Labels) => {
    const hash = labels[LABEL.user]
    if (hash === undefined || !HASH.test(hash) || !OF_USER.has(labels[LABEL.role])) return undefined
    const found = ofUser.get(hash) ?? { isAnonymous: false, volumes: [] }
    found.isAnonymous ||= labels[LABEL.anonymous] !== undefined
    ofUser.set(hash, found)
    return found
  }
  const containerByName = new Map(containers.map((each) => [each.name, each]))
  const volumeByName = new Map(volumes.map((each) => [each.name, each]))
  for (const each of containers) entryOf(each.labels)
  for (const each of volumes) entryOf(each.labels)?.volumes.push(each)
  // That somebody sleeps says something about a user, and makes none.
  for (const each of volumes)
    if (each.labels[LABEL.role] === 'slept') ofUser.get(each.labels[LABEL.user] ?? '')?.volumes.push(each)
  return [...ofUser]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([hash, { isAnonymous, volumes: own }]) => {
      const owner = ownerFrom(identityOfHash(installation, hash, isAnonymous), own)
      const workspace = volumeByName.get(owner.volumeName)
      return {
        owner,
        container: owner.containerNames
          .map((name) => containerByName.get(name))
          .find((each) => each !== undefined && isContainerOf(owner, each)),
        workspace: workspace && isWorkspaceOf(owner, workspace) ? workspace : undefined,
      }
    })
}
