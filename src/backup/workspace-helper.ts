import type { ContainerSpec, ContainerStream, Engine, Labels } from '../engine/engine.ts'
import { isSandboxError, SandboxError } from '../errors/sandbox-error.ts'
import type { Logger } from '../lib/logger.ts'
import { LABEL, type SandboxIdentity } from '../registry/identity.ts'
import { FROZEN_LABEL, helperSpec } from '../runtimes/helper-spec.ts'
import { SUPERVISOR_PATH } from '../supervisor/protocol.ts'
import { badArchive } from './archive/bad-archive.ts'

export interface HelperScene {
  readonly engine: Engine
  readonly logger: Logger
}

export interface HelperSpec {
  readonly identity: SandboxIdentity
  /** Image of a runtime: all that is used of it is the supervisor's program. */
  readonly imageId: string
  readonly ociRuntime?: string | undefined
  /** Whose the files are, or will be. */
  readonly uid: number
  readonly volumeName: string
  readonly access: 'read' | 'write'
  /** Id of a container that stands still for this copy: whoever finds the helper left behind lets it go on. */
  readonly frozen?: string | undefined
}

const MOUNT = '/workspace'
/** For the names of a directory and of files with several names. */
const MEMORY_BYTES = 512 * 1024 ** 2
/** Beyond any file system's largest file that is of use here: what was written once may come back. */
const FILE_BYTES = 8 * 1024 ** 4
/** An open directory for each level of the deepest path. */
const OPEN_FILES = 4096
/** How long a helper waits for its program, in seconds; without one nobody will come any more. */
const HOLD_S = 20

/** Exit codes of the programs (supervisor/ARCHIVE.md, "Exit codes"). */
const EXIT = { locked: 10, changed: 11, tooDeep: 12, noSpace: 13, malformed: 14, tooLarge: 15 } as const

/** Labels of the helpers of an installation; of one user when their hash is given. */
export function helperLabels(installation: string, userHash?: string): Labels {
  return {
    [LABEL.role]: 'copy',
    [LABEL.installation]: installation,
    ...(userHash === undefined ? {} : { [LABEL.user]: userHash }),
  }
}

/**
 * A container that holds one workspace volume and nothing else: no network, the hardening profile of a sandbox, the uid of the files. In it
 * the supervisor's own program reads the tree as a stream or makes one (supervisor/ARCHIVE.md): it is in every runtime's image, also where
 * there is no shell and no tar, keeps what tar programs differ in, and tells apart why it failed. It ends by itself soon after its server.
 */
export class WorkspaceHelper implements AsyncDisposable {
  readonly #engine: Engine
  readonly #logger: Logger
  readonly #id: string
  readonly #uid: number

  private constructor(engine: Engine, logger: Logger, id: string, uid: number) {
    this.#engine = engine
    this.#logger = logger
    this.#id = id
    this.#uid = uid
  }

  /** Starts one. `await using` removes it. */
  static async start(
    { engine, logger }: HelperScene,
    spec: HelperSpec,
    signal?: AbortSignal,
  ): Promise<WorkspaceHelper> {
    const call = signal ? { signal } : {}
    const { id } = await engine.containers.create(specOf(spec), call)
    try {
      await engine.containers.start(id, call)
      return new WorkspaceHelper(engine, logger, id, spec.uid)
    } catch (error) {
      await engine.containers.remove(id)
      throw error
    }
  }

  /**
   * The tree as a stream, as fast as it is read. Ends when the program has ended well. Rejects with `sandbox_busy` when something changed while it
   * was read, with {@link LockedEntry} when an entry denies its owner to read and `unlock` is not set, and as the engine does.
   */
  async *pack(options: {
    readonly unlock?: boolean
    readonly signal?: AbortSignal | undefined
  }): AsyncGenerator<Buffer, void> {
    const command = [SUPERVISOR_PATH, 'pack', MOUNT, ...(options.unlock ? ['--unlock'] : [])]
    const stream = await this.#open(command, options.signal)
    yield* received(stream, options.signal)
  }

  /** Makes the tree of a stream, and syncs it to the disk. */
  async unpack(pieces: AsyncIterable<Buffer>, signal?: AbortSignal): Promise<void> {
    const stream = await this.#open([SUPERVISOR_PATH, 'unpack', MOUNT], signal)
    let said = ''
    const ended = new Promise<void>((resolve, reject) => {
      stream.onData((data) => (said = (said + data.toString('latin1')).slice(-64)))
      stream.onClose(({ error, stderr }) => (error ? reject(faultOf(error, stderr)) : resolve()))
    })
    // Its failure is told below.
    ended.catch(() => {})
    const close = () => stream.close()
    signal?.addEventListener('abort', close, { once: true })
    try {
      for await (const piece of pieces) {
        signal?.throwIfAborted()
        await stream.write(piece).catch(async (error: unknown) => {
          // The program has ended; why is the better answer.
          await ended
          throw error
        })
      }
      await ended
      signal?.throwIfAborted()
      if (!said.startsWith('done ')) throw new SandboxError('engine_failed', 'The program that unpacks ended silently.')
    } finally {
      signal?.removeEventListener('abort', close)
      stream.close()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#engine.containers.remove(this.#id)
    } catch (err) {
      // It ends by itself, and what failed in it is the better thing to tell.
      this.#logger.warn({ container: this.#id, err }, 'a helper container is left to the sweep')
    }
  }

  #open(command: readonly string[], signal?: AbortSignal): Promise<ContainerStream> {
    // The uid of the files, which is that of the container.
    return this.#engine.containers.openStream(this.#id, { command, uid: this.#uid }, signal ? { signal } : {})
  }
}

/** An entry denies its owner to read: on a writable mount the packer can open it nevertheless. */
export class LockedEntry extends Error {}

function faultOf(error: Error, stderr: string): Error {
  const code = isSandboxError(error) ? error.details['exitCode'] : undefined
  const options = { cause: error, details: { stderr } }
  switch (code) {
    case EXIT.locked:
      return new LockedEntry('an entry denies its owner to read', options)
    case EXIT.changed:
      return new SandboxError('sandbox_busy', 'The files changed while they were copied.', options)
    case EXIT.tooDeep:
      return new SandboxError('too_large', 'A path in the workspace is longer than 4,095 bytes.', options)
    case EXIT.noSpace:
      return new SandboxError('disk_full', 'There is no room for the files of the backup.', options)
    case EXIT.malformed:
      return Object.assign(badArchive('an entry'), { cause: error })
    case EXIT.tooLarge:
      return new SandboxError('too_large', 'A file is larger than files may be here.', options)
    default:
      return error
  }
}

/** Output of a program as it is read; the reader holds it up. */
async function* received(stream: ContainerStream, signal?: AbortSignal): AsyncGenerator<Buffer, void> {
  const pieces: Buffer[] = []
  let end: { readonly error?: Error; readonly stderr: string } | undefined
  let wake = (): void => undefined
  stream.onData((data) => {
    pieces.push(data)
    stream.pause()
    wake()
  })
  stream.onClose((reason) => {
    end = reason
    wake()
  })
  const close = () => stream.close()
  signal?.addEventListener('abort', close, { once: true })
  try {
    for (;;) {
      const piece = pieces.shift()
      if (piece) yield piece
      else if (end) break
      else {
        const more = new Promise<void>((resolve) => (wake = resolve))
        stream.resume()
        await more
      }
    }
    signal?.throwIfAborted()
    if (end.error) throw faultOf(end.error, end.stderr)
  } finally {
    signal?.removeEventListener('abort', close)
    stream.close()
  }
}

function specOf({ identity, imageId, ociRuntime, uid, volumeName, access, frozen }: HelperSpec): ContainerSpec {
  return helperSpec({
    image: imageId,
    labels: {
      ...helperLabels(identity.installation, identity.userHash),
      ...(frozen === undefined ? {} : { [FROZEN_LABEL]: frozen }),
    },
    uid,
    env: { PATH: '/usr/bin:/bin' },
    command: [SUPERVISOR_PATH, 'hold', String(HOLD_S)],
    volume: { name: volumeName, mountPath: MOUNT, readOnly: access === 'read' },
    limits: { memoryBytes: MEMORY_BYTES, fileBytes: FILE_BYTES, openFiles: OPEN_FILES },
    network: 'none',
    ociRuntime,
  })
}
