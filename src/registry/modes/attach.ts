import { createHash, randomBytes } from 'node:crypto'
import type { ContainerDetails, Engine, EngineInfo } from '../../engine/engine.ts'
import { isSandboxError, SandboxError } from '../../errors/sandbox-error.ts'
import type { Logger } from '../../lib/logger.ts'
import { oneLine } from '../../lib/visible-text.ts'
import type { ReadyRuntime } from '../../runtimes/ready-runtime.ts'
import type { SupervisorBinary } from '../../runtimes/supervisor-binary.ts'
import type { SandboxFacts } from '../../sandbox/facts.ts'
import { SupervisorClient } from '../../supervisor/client.ts'
import { Connection } from '../../supervisor/connection.ts'
import { ConnectionLost } from '../../supervisor/errors.ts'
import { LABEL, type SandboxIdentity, uidOf } from '../identity.ts'
import type { Mode } from './mode.ts'

export interface AttachDeps {
  readonly engine: Engine
  readonly info: () => Promise<EngineInfo>
  /** The supervisor for the engine's platform. */
  readonly supervisor: (platform: string) => Promise<SupervisorBinary>
  /** Without use and without a server for so long, the supervisor ends and leaves nothing but its program; in milliseconds. 0: an hour. */
  readonly idleExitMs: number
  readonly logger: Logger
}

/** A supervisor that answers, in a container of the operator's. */
export interface AttachedSandbox {
  readonly client: SupervisorClient
  readonly containerId: string
  readonly runtime: ReadyRuntime
  readonly attached: AttachedFacts
}

/** What is as it is in that container. */
export type AttachedFacts = Pick<SandboxFacts, 'workspace' | 'spoolDir' | 'network' | 'limits'> & {
  /** Its own PATH. */
  readonly path: string | undefined
}

/** Whom commands run as where neither the operator nor the container names somebody but root: the first person of most systems. */
const DEFAULT_UID = 1000
const DEFAULT_DIRECTORY = '/tmp'
const DEFAULT_IDLE_EXIT_MS = 60 * 60_000
const HASH_DIGITS = 16
const PROGRAM = 'supervisor'
const PLAIN_PATH = /^\/[\x21-\x7e]{1,200}$/

/**
 * Puts the supervisor into a container that the operator named, starts it there by exec unless it runs, and connects to it. The container is never
 * started, stopped, paused or removed. Rejects with `sandbox_unavailable`, naming the container, when it does not run or starts no supervisor.
 *
 * Where the program is put is right under "/", in a directory named after its content; the engine does it as root. That is never done to a
 * path of a user's sandbox: here it is a container whose owner asked for it, the path holds no part that anybody inside has a say in, and
 * what came of it is compared with what was put, by the engine. Whoever is root in the container can still change it afterwards, as they can change any
 * program there; what answers is therefore trusted as little as any supervisor.
 *
 * The socket is named after user and program, so that servers of one installation meet at one supervisor, and those of another version start their
 * own. Bridges run as a uid that nobody else has, since in a container with the host's network the socket is in sight of the host.
 */
export async function attach(
  deps: AttachDeps,
  identity: SandboxIdentity,
  mode: Extract<Mode, { name: 'attach' }>,
  signal?: AbortSignal,
): Promise<AttachedSandbox> {
  const { engine, info, supervisor, logger } = deps
  const call = signal ? { signal } : {}
  const found = requireRunning(mode.container, await engine.containers.inspect(mode.container, call))
  const engineInfo = await info()
  const { content, sha256 } = await supervisor(engineInfo.platform)
  const directory = `.sandbox-mcp-${sha256.slice(0, HASH_DIGITS)}`
  await engine.containers.putProgram(found.id, { directory, name: PROGRAM, content }, call).catch((error: unknown) => {
    if (!isSandboxError(error, 'engine_failed')) throw error
    throw unavailable(mode.container, 'no program can be put into it: its root may be read-only', error)
  })

  const uid = mode.uid ?? ownUid(found) ?? DEFAULT_UID
  const workspace = mode.directory ?? (found.workDir.length > 1 ? found.workDir : DEFAULT_DIRECTORY)
  const bridgeUid = uidOf(identity, engineInfo)
  const socket = `sandbox-mcp/${identity.userHash}/${sha256.slice(0, HASH_DIGITS)}`
  const program = `/${directory}/${PROGRAM}`
  const idleExitS = Math.ceil((deps.idleExitMs || DEFAULT_IDLE_EXIT_MS) / 1000)
  const options = {
    '--socket': socket,
    '--bridge-uid': bridgeUid,
    // A name that nobody can have been waiting at.
    '--spool': `/tmp/.sandbox-mcp-${randomBytes(8).toString('hex')}`,
    '--workspace': workspace,
    '--idle-exit': idleExitS,
  }
  const init = [
    program,
    'init',
    '--attached',
    ...Object.entries(options).flatMap(([name, value]) => [name, String(value)]),
  ]
  // One that runs already has the socket: then this one ends at once, and the bridge finds the other.
  const starting = await engine.containers.openStream(found.id, { command: init, uid }, call)
  let said = ''
  starting.onData(() => {})
  starting.onClose(({ stderr }) => (said = oneLine(stderr)))
  try {
    const bridge = { command: [program, 'connect', '--attached', '--socket', socket], uid: bridgeUid }
    const connection = await Connection.open(await engine.containers.openStream(found.id, bridge, call))
    const { build, spoolDir } = connection.hello
    if (build === '' || !content.includes(build)) {
      connection.close('not the supervisor that was put there')
      throw unavailable(mode.container, 'something else than the supervisor answers in it')
    }
    logger.info({ container: found.id, uid, workspace }, 'attached; its protections are its own')
    return {
      client: new SupervisorClient(connection),
      containerId: found.id,
      runtime: runtimeOf(found, workspace),
      attached: {
        workspace,
        // Another server's supervisor may have been there first, with a directory of its own.
        spoolDir: PLAIN_PATH.test(spoolDir) ? spoolDir : options['--spool'],
        network: found.effective.networkMode === 'none' ? 'none' : 'bridge',
        limits: limitsOf(found),
        path: found.env.find((line) => line.startsWith('PATH='))?.slice('PATH='.length),
      },
    }
  } catch (error) {
    if (!(error instanceof ConnectionLost) && !isSandboxError(error, 'engine_failed')) throw error
    throw unavailable(mode.container, `the supervisor does not start in it${said === '' ? '' : ` (${said})`}`, error)
  } finally {
    // The program goes on: an engine ends what it started by exec with the container alone.
    starting.close()
  }
}

function requireRunning(container: string, found: ContainerDetails | undefined): ContainerDetails {
  if (!found) throw unavailable(container, 'it is not there')
  // An image's labels show on its containers; this one only what servers make has.
  if (found.labels[LABEL.installation] !== undefined) {
    throw unavailable(container, 'it is made and removed by a server like this one')
  }
  if (found.state !== 'running')
    throw unavailable(container, found.state === 'paused' ? 'it is paused' : 'it does not run')
  return found
}

/** The user of the container, when that is a uid and not root's. */
function ownUid({ effective }: ContainerDetails): number | undefined {
  const uid = /^(\d{1,9})(?::|$)/.exec(effective.user)?.[1]
  return uid === undefined || Number(uid) === 0 ? undefined : Number(uid)
}

function runtimeOf({ id, image, imageId }: ContainerDetails, workDir: string): ReadyRuntime {
  return {
    name: 'attached',
    description: 'a container of the operator’s, with what is in it',
    imageId,
    digest: createHash('sha256').update(id).digest('hex'),
    tag: image,
    sizeBytes: 0,
    env: {},
    base: image,
    packages: [],
    workDir,
  }
}

/** 0 where it has none. */
function limitsOf({ effective }: ContainerDetails): AttachedFacts['limits'] {
  return {
    memoryBytes: effective.memoryBytes,
    cpus: effective.nanoCpus / 1e9,
    pids: Math.max(0, effective.pids),
    tmpBytes: 0,
    fileBytes: 0,
    openFiles: 0,
  }
}

function unavailable(container: string, why: string, cause?: Error): SandboxError {
  return new SandboxError(
    'sandbox_unavailable',
    `The container ${container}, which this sandbox works in, cannot be used: ${why}.`,
    {
      hint: 'The operator starts it; it is never started, stopped or removed from here.',
      ...(cause && { cause }),
    },
  )
}
