import type { ContainerSpec, ContainerStream, Engine, Labels } from '../engine/engine.ts'
import { SandboxError } from '../errors/sandbox-error.ts'
import { helperSpec } from './helper-spec.ts'

export interface HelperSpec {
  readonly imageId: string
  readonly env: Readonly<Record<string, string>>
  readonly labels: Labels
  readonly network: ContainerSpec['network']
  readonly ociRuntime: string | undefined
  /** Size of its only writable directory, which is memory. */
  readonly maxBytes: number
  /** Files that lie in {@link INPUT_DIR}, as a whole tar archive. */
  readonly input: Uint8Array
}

const MIB = 1024 ** 2
/** Of no sandbox, no person and no service (Debian ends its own at 999, and "nobody" is 65534). Small enough for a user namespace. */
const HELPER_UID = 65_533
export const INPUT_DIR = '/tmp/in'
/** For the programs that run in it, beside what they write. */
const WORK_BYTES = 512 * MIB
/** GNU tar reads whole records from a pipe, and would wait for the rest of one. */
const TAR_RECORD_BYTES = 10_240
/** PID 1 ends at SIGTERM, which it would ignore without a handler (pid_namespaces(7)), or after this many seconds. */
const LIFETIME_S = 900
/** A server that was killed before it opened the guard: nobody comes any more after this many seconds. */
const GUARD_WAIT_S = 20
const INIT = `trap 'exit 0' TERM
left=${GUARD_WAIT_S}
until [ -d ${INPUT_DIR} ]; do
  [ $left -gt 0 ] || exit 0
  left=$((left - 1))
  sleep 1
done
sleep ${LIFETIME_S} & wait $!`
/** Takes the input, then waits for the server's end of the stream to go. Whatever happens, it takes the container with it. */
const GUARD = `{ mkdir -m 0700 ${INPUT_DIR} && tar -xf - -C ${INPUT_DIR} && echo ready && cat > /dev/null; }; kill -TERM 1`

/**
 * A short-lived container of a runtime's image with nothing of any user: no volume, another uid, the whole hardening profile (but the
 * network, where packages are downloaded). It ends when the server that made it is gone; what is left then is found by its labels.
 */
export class HelperContainer {
  readonly #engine: Engine
  readonly #id: string
  readonly #guard: ContainerStream

  private constructor(engine: Engine, id: string, guard: ContainerStream) {
    this.#engine = engine
    this.#id = id
    this.#guard = guard
  }

  static async start(engine: Engine, spec: HelperSpec, signal: AbortSignal): Promise<HelperContainer> {
    const { id } = await engine.containers.create(specOf(spec), { signal })
    try {
      await engine.containers.start(id, { signal })
      const command = ['/bin/sh', '-c', GUARD]
      const guard = await engine.containers.openStream(id, { command, uid: HELPER_UID }, { signal })
      const ready = firstOutput(guard)
      await guard.write(padded(spec.input))
      await ready
      return new HelperContainer(engine, id, guard)
    } catch (error) {
      await engine.containers.remove(id)
      throw error
    }
  }

  /** Runs a program to its end. Resolves to its exit code; pieces of its standard output go to `onData`, which may hold it up. */
  async run(command: readonly string[], signal: AbortSignal, onData: (data: Buffer) => void): Promise<number> {
    const stream = await this.open(command, signal)
    const close = () => stream.close()
    signal.addEventListener('abort', close, { once: true })
    try {
      const error = await new Promise<Error | undefined>((resolve) => {
        stream.onData(onData)
        stream.onClose((reason) => resolve(reason.error))
      })
      signal.throwIfAborted()
      return exitCode(error)
    } finally {
      signal.removeEventListener('abort', close)
    }
  }

  /** Starts a program, and gives its standard output. */
  open(command: readonly string[], signal: AbortSignal): Promise<ContainerStream> {
    return this.#engine.containers.openStream(this.#id, { command, uid: HELPER_UID }, { signal })
  }

  /** Removes it with all that it downloaded. */
  async remove(): Promise<void> {
    this.#guard.close()
    await this.#engine.containers.remove(this.#id)
  }
}

function specOf({ imageId, env, labels, network, ociRuntime, maxBytes }: HelperSpec): ContainerSpec {
  return helperSpec({
    image: imageId,
    labels,
    uid: HELPER_UID,
    env: { ...env, HOME: '/tmp' },
    // No supervisor: it would listen where the network is the host's.
    command: ['/bin/sh', '-c', INIT],
    limits: { memoryBytes: maxBytes + WORK_BYTES, pids: 256, tmpBytes: maxBytes, fileBytes: maxBytes, openFiles: 4096 },
    network,
    ociRuntime,
  })
}

/** Resolves at the first piece of output; rejects when the program ends without one. */
function firstOutput(stream: ContainerStream): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.onData(() => resolve())
    stream.onClose(({ error, stderr }) =>
      reject(
        new SandboxError('engine_failed', 'The helper container could not be prepared.', {
          details: { stderr },
          cause: error,
        }),
      ),
    )
  })
}

function exitCode(error: Error | undefined): number {
  if (error === undefined) return 0
  const code = error instanceof SandboxError ? error.details['exitCode'] : undefined
  if (typeof code === 'number') return code
  throw error
}

function padded(tar: Uint8Array): Buffer {
  const missing = (TAR_RECORD_BYTES - (tar.length % TAR_RECORD_BYTES)) % TAR_RECORD_BYTES
  return Buffer.concat([tar, Buffer.alloc(missing)])
}
