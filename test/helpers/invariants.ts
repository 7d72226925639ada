import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { ContainerSummary, Engine } from '../../src/engine/engine.ts'
import { LABEL, type SandboxIdentity } from '../../src/registry/identity.ts'
import { listHoldings } from '../../src/registry/owned.ts'
import { resolveOwner } from '../../src/registry/owner.ts'
import type { Canary } from './canary.ts'
import { takeCensus } from './census.ts'
import type { TestServer } from './start-server.ts'

/** What is looked at after a fault. */
export interface AfterFault {
  /** The engine itself, past every fault. */
  readonly engine: Engine
  readonly identity: SandboxIdentity
  /** The server that the fault ended. */
  readonly killed: TestServer
  /** The one that came after it, for the same user. */
  readonly next: TestServer
  /** From the start of `next` to its first answer, in milliseconds. */
  readonly recoveryMs: number
  /** Every file that may be in the workspace, with each content that it may have; null: that it may be missing. */
  readonly files: ReadonlyMap<string, readonly (string | null)[]>
  /** A file to which each command that ran has added its name, once. */
  readonly journal: string
  /** Names in the journal of the commands that were told to have succeeded. */
  readonly succeeded: readonly string[]
  /** Command lines of processes that were asked to stay. */
  readonly mayRun: readonly string[]
  /** Roles of what may be left until a later sweep: it cannot be told at once whether another server still needs it. */
  readonly mayLast: readonly string[]
  /** Sandboxes without a user that `next` keeps ready. */
  readonly poolSize: number
  readonly canary: Canary
}

/** A rule that holds whatever happens. Gives what breaks it, one line each; nothing when it holds. */
export type Invariant = (after: AfterFault) => Promise<readonly string[]>

/** A user's next call has succeeded by then once the fault is over. In milliseconds. */
const RECOVERY_MS = 10_000
/** What a lost connection ends (temporary files, bridges, commands of at most a second) is gone by then. In milliseconds. */
const SETTLED_MS = 10_000
const POLL_MS = 200

/** Slots of a dead server go after two looks, 10 s apart. In milliseconds. */
const SLOTS_SETTLED_MS = 40_000

/** Without one of these a container is of nobody. */
const COMPLETE = [LABEL.role, LABEL.installation, LABEL.runtime, LABEL.digest, LABEL.uid, LABEL.schema]
/** Roles of containers that may stay. */
const LASTING_CONTAINERS = ['sandbox', 'slot']
/** How many volumes of each role may stay of a user. Of the records of what is theirs: the first, the one that counts, and the one before. */
const LASTING_VOLUMES: Readonly<Record<string, number>> = { workspace: 1, choice: 1, owner: 3 }

/** I1: at most one container per user, with all labels. */
export const oneContainer: Invariant = async ({ engine, identity }) => {
  const containers = await containersOf(engine, identity)
  const incomplete = containers.flatMap(({ name, labels }) =>
    [...COMPLETE, labels[LABEL.role] === 'slot' ? LABEL.poolKey : LABEL.user]
      .filter((label) => !labels[label])
      .map((label) => `I1: ${name} has no label ${label}`),
  )
  return containers.length > 1 ? [`I1: ${containers.length} containers of one user`, ...incomplete] : incomplete
}

/** I2: containers and volumes of others are as they were. */
export const foreignUntouched: Invariant = async ({ canary }) => {
  const changes = await canary.foreignChanges()
  return changes.map((change) => `I2: ${change}`)
}

/** I3: every file is as the last answered call left it, or as the one that was cut off would have. */
export const filesAsExpected: Invariant = ({ next, files }) =>
  settled(async () => {
    const listing = await next.output('find . -type f -exec sha256sum {} +; find . ! -type f ! -type d')
    const found = new Map(
      listing
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => {
          const [hash = '', path = line] = line.split('  ./')
          return [path, hash] as const
        }),
    )
    const wrong = [...files].flatMap(([path, contents]) => {
      const hash = found.get(path) ?? null
      return contents.some((content) => hashOf(content) === hash) ? [] : [`I3: ${path} is ${hash ?? 'missing'}`]
    })
    const unknown = [...found.keys()].filter((path) => !files.has(path)).map((path) => `I3: ${path} is nobody's`)
    return [...wrong, ...unknown]
  })

/** I4: nothing runs that was not asked to stay. Commands of the scenario end by themselves within a second. */
export const noOldProcesses: Invariant = ({ next, mayRun }) =>
  settled(async () => {
    const { commands } = await takeCensus(next)
    return commands.filter((line) => !mayRun.includes(line)).map((line) => `I4: still runs: ${line}`)
  })

/** I5: the user's next call succeeds in time. */
export const recovered: Invariant = ({ recoveryMs }) =>
  Promise.resolve(recoveryMs <= RECOVERY_MS ? [] : [`I5: the next call took ${Math.round(recoveryMs)} ms`])

/** I6: no request got two answers. That each got one, or the end of the connection, the callers have seen. */
export const oneAnswerEach: Invariant = ({ killed, next }) => {
  const twice = [killed, next].flatMap(({ messages }) => {
    const ids = messages.flatMap((message) => ('id' in message && !('method' in message) ? [String(message.id)] : []))
    return ids.filter((id, at) => ids.indexOf(id) !== at)
  })
  return Promise.resolve(twice.map((id) => `I6: request ${id} was answered twice`))
}

/** I7: no command ran twice. */
export const nothingTwice: Invariant = async ({ next, journal }) => {
  const marks = await journalOf(next, journal)
  return marks.filter((mark, at) => marks.indexOf(mark) !== at).map((mark) => `I7: ${mark} ran twice`)
}

/** I8: whatever is said to have succeeded has run to its end: what callers were told, and what the sandbox says of commands now. */
export const noInventedSuccess: Invariant = async ({ next, journal, succeeded, files }) => {
  const marks = await journalOf(next, journal)
  // The journal was removed with everything else, as somebody asked.
  if (marks.length === 0 && files.get(journal)?.includes(null)) return []
  const { structured } = await next.call('process_read')
  const ended = (structured.processes as readonly Ended[]).filter(({ exit_code: exitCode }) => exitCode === 0)
  const told = ended.flatMap(({ command }) => new RegExp(`echo ([\\w-]+) >> ${journal}`).exec(command)?.[1] ?? [])
  return [...succeeded, ...told]
    .filter((mark) => !marks.includes(mark))
    .map((mark) => `I8: ${mark} is said to have succeeded`)
}

interface Ended {
  readonly command: string
  readonly exit_code?: number
}

/** I9: of the user there is one sandbox and its volumes, nobody downloads or measures, and only the living server is connected. */
export const backToBaseline: Invariant = ({ engine, identity, next, mayLast }) =>
  settled(async () => {
    const { installation } = identity
    const containers = await engine.containers.list({ [LABEL.installation]: installation })
    const lasting = [...LASTING_CONTAINERS, ...mayLast]
    const passing = containers.filter(({ labels }) => !lasting.includes(labels[LABEL.role] ?? ''))
    const volumes = await engine.volumes.list({ [LABEL.installation]: installation, [LABEL.user]: identity.userHash })
    const roles = volumes.map(({ labels }) => labels[LABEL.role] ?? '').filter((role) => !mayLast.includes(role))
    const surplus = roles.filter((role, at) => countOf(role, roles.slice(0, at)) >= (LASTING_VOLUMES[role] ?? 0))
    const { bridges } = await takeCensus(next)
    return [
      ...passing.map(({ name, labels }) => `I9: container ${name} (${labels[LABEL.role]}) was left`),
      ...surplus.map((role) => `I9: a volume (${role}) was left`),
      ...(bridges > 1 ? [`I9: ${bridges} streams into the sandbox`] : []),
    ]
  })

/** I9, of the pool: slots are whole, and there are no more than the living server wants. */
export const poolAtBaseline: Invariant = ({ engine, identity, poolSize }) =>
  settled(async () => {
    const { slots } = await listHoldings(engine, identity.installation)
    const halves = slots.filter(({ container, volume }) => !container || !volume)
    return [
      ...halves.map(({ name }) => `I9: slot ${name} is not whole`),
      ...(slots.length > poolSize ? [`I9: ${slots.length} slots`] : []),
    ]
  }, SLOTS_SETTLED_MS)

/** I10: another user's sandbox, its files and its process are as they were. */
export const canaryUnchanged: Invariant = async ({ canary }) => {
  const changes = await canary.changes()
  return changes.map((change) => `I10: ${change}`)
}

/** I11: stdout has JSON-RPC alone. The last line of a server that was killed may be cut. */
export const pureOutput: Invariant = ({ killed, next }) => {
  const lines = [...killed.foreignLines.filter((line) => !line.startsWith('{')), ...next.foreignLines]
  return Promise.resolve(lines.map((line) => `I11: on stdout: ${line.slice(0, 80)}`))
}

/** In the order in which they are looked at: from what others change to what only we do. */
export const INVARIANTS: readonly Invariant[] = [
  recovered,
  oneContainer,
  filesAsExpected,
  nothingTwice,
  noInventedSuccess,
  noOldProcesses,
  backToBaseline,
  poolAtBaseline,
  foreignUntouched,
  canaryUnchanged,
  oneAnswerEach,
  pureOutput,
]

/** Looks at all of them. Resolves to what is broken. */
export async function brokenInvariants(after: AfterFault): Promise<readonly string[]> {
  const broken: string[] = []
  for (const invariant of INVARIANTS) broken.push(...(await invariant(after)))
  return broken
}

/** Every container that is a user's: by the label that says so, or by the record that names it. */
export async function containersOf(engine: Engine, identity: SandboxIdentity): Promise<readonly ContainerSummary[]> {
  const { containerNames } = await resolveOwner(engine, identity)
  const all = await engine.containers.list({ [LABEL.installation]: identity.installation })
  return all.filter(
    ({ name, labels }) =>
      containerNames.includes(name) ||
      (labels[LABEL.user] === identity.userHash && LASTING_CONTAINERS.includes(labels[LABEL.role] ?? '')),
  )
}

/** What is still broken when it had time to settle. */
async function settled(look: () => Promise<readonly string[]>, ms = SETTLED_MS): Promise<readonly string[]> {
  const until = performance.now() + ms
  for (;;) {
    const broken = await look()
    if (broken.length === 0 || performance.now() > until) return broken
    await delay(POLL_MS)
  }
}

async function journalOf(server: TestServer, path: string): Promise<string[]> {
  const text = await server.output(`cat ${path} 2>/dev/null || true`)
  return text.split('\n').filter((line) => line !== '')
}

const countOf = (role: string, roles: readonly string[]) => roles.filter((each) => each === role).length

function hashOf(content: string | null): string | null {
  return content === null ? null : createHash('sha256').update(content).digest('hex')
}
