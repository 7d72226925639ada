import { createHash, randomBytes } from 'node:crypto'
import type { EngineInfo, Labels } from '../engine/engine.ts'
import { SandboxError } from '../errors/sandbox-error.ts'

/** Version of the label scheme; a container or volume with another one is not ours to adopt. */
const SCHEMA = '1'
const PREFIX = 'sandbox-mcp.'

export const LABEL = {
  role: `${PREFIX}role`,
  installation: `${PREFIX}installation`,
  user: `${PREFIX}user`,
  runtime: `${PREFIX}runtime`,
  digest: `${PREFIX}digest`,
  uid: `${PREFIX}uid`,
  schema: `${PREFIX}schema`,
  /** Of what a container was made with and cannot change: see fixed-settings.ts. */
  settings: `${PREFIX}settings`,
  /** Since when the server that made a container had its settings, in Unix milliseconds. */
  settingsSince: `${PREFIX}settings-since`,
  /** On what belongs to a session without a user and is of no use after it. */
  anonymous: `${PREFIX}anonymous`,
  /** On an owner record: the name of the user's workspace volume. */
  workspace: `${PREFIX}workspace`,
  /** On an owner record: the name of the container that was the user's first, a slot. */
  container: `${PREFIX}container`,
  /** On an owner record: the backup that holds the files; there is no workspace volume then. */
  archive: `${PREFIX}archive`,
  archiving: `${PREFIX}archiving`,
  /** On an owner record: which of the user's records it is; the highest counts. */
  generation: `${PREFIX}generation`,
  /** On the note that a sandbox sleeps: since when, in Unix milliseconds. */
  since: `${PREFIX}since`,
  /** On a slot: all that cannot change after it was made. */
  poolKey: `${PREFIX}pool-key`,
} as const

/** What a user is called in the engine. A pure function of installation and user, so that every server finds the same sandbox. */
export interface SandboxIdentity {
  readonly installation: string
  /** Hash of installation and user: 32 hex digits. The user's own name reaches neither names nor labels. */
  readonly userHash: string
  /** The container that is made for this user. They may have another one: `resolveOwner` in owner.ts tells. */
  readonly containerName: string
  /** The workspace volume that is made for this user. They may have another one: `resolveOwner` in owner.ts tells. */
  readonly volumeName: string
  /** Name of the volume that stands for the user's choice of a runtime. */
  readonly choiceName: string
  /** True where there is no user, but a session of a caller without a name: all of it dies with the session. */
  readonly isAnonymous: boolean
}

/** Bytes before a user's name that no installation's name can hold, so that no two pairs are hashed alike. */
const SEPARATOR = '\0'

/** Half a surrogate pair: every one of them is the same U+FFFD in UTF-8, so two users would be hashed alike. */
const LONE_SURROGATE = /\p{Surrogate}/u

/** Fails with `invalid_argument` for a name that is not valid Unicode. */
export function identityOf(installation: string, user: string, isAnonymous = false): SandboxIdentity {
  if (LONE_SURROGATE.test(user))
    throw new SandboxError('invalid_argument', 'The name of the user is not valid Unicode.')
  const userHash = createHash('sha256').update(`${installation}${SEPARATOR}${user}`).digest('hex').slice(0, 32)
  return identityOfHash(installation, userHash, isAnonymous)
}

/** The identity of the user whose hash a label has. */
export function identityOfHash(installation: string, userHash: string, isAnonymous: boolean): SandboxIdentity {
  return {
    installation,
    userHash,
    containerName: `sandbox-mcp-${userHash}`,
    volumeName: `sandbox-mcp-${userHash}`,
    choiceName: `sandbox-mcp-${userHash}-runtime`,
    isAnonymous,
  }
}

/** Uids of sandboxes: above those of people, daemons and usual subordinate ranges, and small enough for the ustar format (2,097,151). */
const UID_BASE = 1_100_000
const UID_COUNT = 900_000
/** The same inside a user namespace, which has 65,536 uids. */
const REMAPPED_UID_BASE = 20_000
const REMAPPED_UID_COUNT = 40_000

/**
 * The uid of a user's sandbox: one of its own per user, because the kernel counts inotify instances, message queues and pending signals
 * per uid across containers. Two users rarely share one; they would share those counts and nothing else.
 */
export function uidOf(identity: SandboxIdentity, info: Pick<EngineInfo, 'userNamespaces'>): number {
  return uidOfHex(identity.userHash, info)
}

/** The uid of a slot, by its name: of its own for the same reason. It stays that of the user who gets the slot, for the files are its. */
export function uidOfSlot(name: string, info: Pick<EngineInfo, 'userNamespaces'>): number {
  const random = SLOT_NAME.exec(name)?.[1]
  if (random === undefined) throw new TypeError(`${name} is no slot`)
  return uidOfHex(random, info)
}

function uidOfHex(hex: string, { userNamespaces }: Pick<EngineInfo, 'userNamespaces'>): number {
  const number = Number.parseInt(hex.slice(0, 12), 16)
  return userNamespaces ? REMAPPED_UID_BASE + (number % REMAPPED_UID_COUNT) : UID_BASE + (number % UID_COUNT)
}

/** Labels of the containers that were made for a user of an installation. Not of slots, nor of whom they belong to: listOwned in owned.ts tells. */
export function installationLabels(installation: string): Labels {
  return { [LABEL.role]: 'sandbox', [LABEL.installation]: installation }
}

export function containerLabels(identity: SandboxIdentity, runtime: string, digest: string, uid: number): Labels {
  return {
    ...installationLabels(identity.installation),
    [LABEL.user]: identity.userHash,
    [LABEL.runtime]: runtime,
    [LABEL.digest]: digest,
    [LABEL.uid]: String(uid),
    ...schemaLabels(identity),
  }
}

export function volumeLabels(identity: SandboxIdentity, uid: number): Labels {
  return {
    [LABEL.role]: 'workspace',
    [LABEL.installation]: identity.installation,
    [LABEL.user]: identity.userHash,
    [LABEL.uid]: String(uid),
    ...schemaLabels(identity),
  }
}

export function choiceLabels(identity: SandboxIdentity, runtime: string): Labels {
  return {
    [LABEL.role]: 'choice',
    [LABEL.installation]: identity.installation,
    [LABEL.user]: identity.userHash,
    [LABEL.runtime]: runtime,
    ...schemaLabels(identity),
  }
}

/** Name of the volume that says since when the user's sandbox sleeps. */
export function sleepName({ containerName }: SandboxIdentity): string {
  return `${containerName}-slept`
}

export function sleepLabels(identity: SandboxIdentity, sinceMs: number): Labels {
  return {
    [LABEL.role]: 'slept',
    [LABEL.installation]: identity.installation,
    [LABEL.user]: identity.userHash,
    [LABEL.since]: String(sinceMs),
    ...schemaLabels(identity),
  }
}

/** What a slot is: a sandbox that was made before its user is known. */
export interface SlotFacts {
  readonly installation: string
  readonly runtime: string
  readonly digest: string
  readonly uid: number
  readonly poolKey: string
}

/** Bytes of a slot's name. */
const SLOT_BYTES = 12

/** A name for a slot's container and volume that nothing else has. */
export function newSlotName(): string {
  return `sandbox-mcp-slot-${randomBytes(SLOT_BYTES).toString('hex')}`
}

const SLOT_NAME = /^sandbox-mcp-slot-([0-9a-f]{24})$/

/** Labels of a slot's container and volume. They stay when the slot has got a user: labels cannot be changed. */
export function slotLabels({ installation, runtime, digest, uid, poolKey }: SlotFacts): Labels {
  return {
    [LABEL.role]: 'slot',
    [LABEL.installation]: installation,
    [LABEL.runtime]: runtime,
    [LABEL.digest]: digest,
    [LABEL.uid]: String(uid),
    [LABEL.poolKey]: poolKey,
    [LABEL.schema]: SCHEMA,
  }
}

/** True for a container or volume that was made as a slot of this installation, by this scheme; whether it has a user does not matter. */
export function isSlot(
  { name, labels }: { readonly name: string; readonly labels: Labels },
  installation: string,
): boolean {
  return (
    SLOT_NAME.test(name) &&
    labels[LABEL.role] === 'slot' &&
    labels[LABEL.installation] === installation &&
    labels[LABEL.schema] === SCHEMA
  )
}

/** True for a sandbox's container, whether or not it was a slot first. */
export function holdsSandbox({ labels }: { readonly labels: Labels }): boolean {
  return labels[LABEL.role] === 'sandbox' || labels[LABEL.role] === 'slot'
}

/** What an owner record says. */
export interface OwnerFacts {
  /** Name of the workspace volume. */
  readonly workspace: string
  /** Name of the slot's container that became the user's. */
  readonly container?: string | undefined
  /** Id of the backup that holds the files, in place of the workspace volume. */
  readonly archive?: string | undefined
  /** Somebody is about to archive the files: a text that no other archiving has. */
  readonly archiving?: string | undefined
}

/** Name of the volume that is the user's owner record of a generation, which counts from 1. */
export function ownerName({ containerName }: SandboxIdentity, generation: number): string {
  return generation === 1 ? `${containerName}-owner` : `${containerName}-owner-${generation}`
}

export function ownerLabels(identity: SandboxIdentity, generation: number, facts: OwnerFacts): Labels {
  return {
    [LABEL.role]: 'owner',
    [LABEL.installation]: identity.installation,
    [LABEL.user]: identity.userHash,
    [LABEL.generation]: String(generation),
    [LABEL.workspace]: facts.workspace,
    ...(facts.container === undefined ? {} : { [LABEL.container]: facts.container }),
    ...(facts.archive === undefined ? {} : { [LABEL.archive]: facts.archive }),
    ...(facts.archiving === undefined ? {} : { [LABEL.archiving]: facts.archiving }),
    ...schemaLabels(identity),
  }
}

function schemaLabels({ isAnonymous }: SandboxIdentity): Labels {
  return { [LABEL.schema]: SCHEMA, ...(isAnonymous ? ANONYMOUS_LABELS : {}) }
}

/** Labels by which what belongs to sessions without a user is found. */
export const ANONYMOUS_LABELS: Labels = { [LABEL.anonymous]: 'true' }

/** Labels of the containers that download packages for a user; without one, of all users. */
export function fetchLabels(installation: string, userHash?: string): Labels {
  return {
    [LABEL.role]: 'fetch',
    [LABEL.installation]: installation,
    ...(userHash === undefined ? {} : { [LABEL.user]: userHash }),
  }
}

/** True when the labels say that it is this user's, by this scheme. Anything else with the name is foreign and left alone. */
export function belongsTo(
  labels: Labels,
  identity: SandboxIdentity,
  role: 'sandbox' | 'workspace' | 'choice' | 'owner' | 'slept',
): boolean {
  return (
    labels[LABEL.role] === role &&
    labels[LABEL.installation] === identity.installation &&
    labels[LABEL.user] === identity.userHash &&
    labels[LABEL.schema] === SCHEMA
  )
}

/** The uid that a label records; undefined when it is no uid that a sandbox may have. */
export function uidFromLabels(labels: Labels): number | undefined {
  const uid = Number(labels[LABEL.uid])
  return Number.isInteger(uid) && uid >= REMAPPED_UID_BASE && uid < UID_BASE + UID_COUNT ? uid : undefined
}
