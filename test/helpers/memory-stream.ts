import type { ContainerStream } from '../../src/engine/engine.ts'
import { SandboxError } from '../../src/errors/sandbox-error.ts'

/** The program's end of a {@link memoryStream}. */
export interface ProgramEnd {
  /** What the other end writes. Set once; nothing is read before, nor until the promise of the piece before is settled. */
  onStdin(listener: (data: Buffer) => void | Promise<void>): void
  /** Called once, when the other end closed the stream or the container went away. */
  onClose(listener: () => void): void
  /** Resolves when the other end took the bytes. Does nothing once the stream is closed. */
  stdout(data: Uint8Array): Promise<void>
  stderr(text: string): void
  /** Ends the program. What was printed before still arrives. Exit code 0 closes the stream without an error. */
  exit(code?: number): void
  /** Ends the stream as a cut connection does: what was printed and not yet taken is lost. */
  cut(error?: Error): void
}

const HIGH_WATER_BYTES = 64 * 1024
const STDERR_CHARACTERS = 4096

/**
 * A stream into a pretended container: two ends in memory that behave as an exec over HTTP does. Bytes are copied, arrive later
 * than the write, and a reader that is paused stops the writer.
 */
export function memoryStream(): { readonly host: ContainerStream; readonly program: ProgramEnd } {
  const toProgram = new Pipe()
  const toHost = new Pipe()
  let stderr = ''
  let reason: { readonly error?: Error; readonly stderr: string } | undefined
  let onHostClose: ((given: NonNullable<typeof reason>) => void) | undefined
  let onProgramClose: (() => void) | undefined

  const close = (error?: Error): void => {
    if (reason) return
    reason = { ...(error && { error }), stderr }
    toProgram.close()
    toHost.close()
    const given = reason
    setImmediate(() => {
      onHostClose?.(given)
      onProgramClose?.()
    })
  }

  return {
    host: {
      write: (data) => toProgram.write(data),
      onData: (listener) => toHost.listen(listener),
      onClose(listener) {
        onHostClose = listener
        if (reason) listener(reason)
      },
      pause: () => toHost.pause(),
      resume: () => toHost.resume(),
      close: () => close(),
    },
    program: {
      onStdin: (listener) => toProgram.listen(listener),
      onClose(listener) {
        onProgramClose = listener
        if (reason) listener()
      },
      // A program that prints after its reader is gone gets SIGPIPE; here nothing happens.
      stdout: (data) => (reason ? Promise.resolve() : toHost.write(data).catch(() => undefined)),
      stderr(text) {
        stderr = (stderr + text).slice(-STDERR_CHARACTERS)
      },
      exit(code = 0) {
        const error =
          code === 0
            ? undefined
            : new SandboxError('engine_failed', 'The program in the container failed.', { details: { exitCode: code } })
        toHost.whenEmpty(() => close(error))
      },
      cut: (error = new SandboxError('engine_unreachable', 'The connection to a running program was cut.')) =>
        close(error),
    },
  }
}

/** One direction. Delivers each piece in its own turn of the event loop. */
class Pipe {
  readonly #pieces: { readonly data: Buffer; readonly taken: () => void; readonly failed: (error: Error) => void }[] =
    []
  #listener: ((data: Buffer) => void | Promise<void>) | undefined
  #onEmpty: (() => void) | undefined
  #waitingBytes = 0
  #paused = false
  #busy = false
  #closed = false
  #scheduled = false

  write(data: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(new SandboxError('engine_unreachable', 'The stream to the container is closed.'))
        return
      }
      this.#waitingBytes += data.length
      // Below the mark the bytes count as taken, as they would be by the kernel's socket buffer.
      const isWelcome = this.#waitingBytes <= HIGH_WATER_BYTES
      this.#pieces.push({ data: Buffer.from(data), taken: resolve, failed: reject })
      if (isWelcome) resolve()
      this.#schedule()
    })
  }

  listen(listener: (data: Buffer) => void | Promise<void>): void {
    this.#listener = listener
    this.#schedule()
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#schedule()
  }

  whenEmpty(run: () => void): void {
    this.#onEmpty = run
    this.#schedule()
  }

  close(): void {
    this.#closed = true
    const error = new SandboxError('engine_unreachable', 'The stream to the container is closed.')
    for (const piece of this.#pieces.splice(0)) piece.failed(error)
  }

  #schedule(): void {
    if (this.#scheduled || this.#closed) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#deliver()
    })
  }

  #deliver(): void {
    if (this.#closed) return
    if (this.#busy || this.#paused || !this.#listener) return
    const next = this.#pieces.shift()
    if (!next) {
      this.#onEmpty?.()
      return
    }
    this.#waitingBytes -= next.data.length
    next.taken()
    this.#busy = true
    void Promise.resolve(this.#listener(next.data)).finally(() => {
      this.#busy = false
      this.#schedule()
    })
  }
}
