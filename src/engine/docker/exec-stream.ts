import type { Duplex } from 'node:stream'
import * as z from 'zod'
import { SandboxError } from '../../errors/sandbox-error.ts'
import type { ContainerStream, StreamSpec } from '../engine.ts'
import { containerPath } from './api-path.ts'
import { limitsOf, type CallLimits, type EngineApi } from './call.ts'
import { Demuxer } from './demux.ts'
import { TailBuffer } from './tail-buffer.ts'

/** Bytes of stderr that are kept for the log. */
const STDERR_BYTES = 4096
/** How long the reason for an end is asked for. Whoever waits for the end waits for this too. */
const REASON_DEADLINE_MS = 2000

const Created = z.object({ Id: z.string() })
const InspectedExec = z.object({ Running: z.boolean(), ExitCode: z.number().nullable(), Pid: z.number() })

/**
 * Runs a program in a running container by "exec", and takes over the HTTP connection as its stdin, stdout and stderr.
 * `not_found` when there is no such container, `engine_failed` when it does not run. A program that could not be started is told
 * by `onClose`: the engine answers before it tries.
 */
export async function openExecStream(
  api: EngineApi,
  idOrName: string,
  { command, uid }: StreamSpec,
  limits: CallLimits,
): Promise<ContainerStream> {
  const { Id: execId } = await api.json(
    {
      action: 'prepare a program in the container',
      method: 'POST',
      path: containerPath(idOrName, '/exec'),
      body: {
        AttachStdin: true,
        AttachStdout: true,
        AttachStderr: true,
        Tty: false,
        Privileged: false,
        Cmd: command,
        // With the uid alone the group would be root.
        User: `${uid}:${uid}`,
        // Not the workspace: a working directory that sandboxed code controls was a way to the host (CVE-2024-21626).
        WorkingDir: '/',
      },
      limits,
    },
    Created,
  )
  const socket = await api.upgrade({
    action: 'start a program in the container',
    method: 'POST',
    path: `/exec/${encodeURIComponent(execId)}/start`,
    body: { Detach: false, Tty: false },
    limits,
  })
  return new ExecStream(socket, api.closed, () => whyEnded(api, execId))
}

/**
 * Why the program's connection ended, by the engine's record: its text could be forged from inside. Undefined for exit code 0, also
 * when the program ended so because a cut closed its stdin: what of its output was lost between two frames, nobody can tell.
 */
async function whyEnded(api: EngineApi, execId: string): Promise<Error | undefined> {
  const exec = await api.find(
    {
      action: 'ask how a program ended',
      method: 'GET',
      path: `/exec/${encodeURIComponent(execId)}/json`,
      absent: [404],
      limits: limitsOf(undefined, REASON_DEADLINE_MS),
    },
    InspectedExec,
  )
  if (!exec) return new SandboxError('engine_failed', 'The container ended, and the program in it.')
  if (exec.Running) return cutError()
  if (exec.Pid === 0) return new SandboxError('engine_failed', 'The program in the container could not be started.')
  if (exec.ExitCode === 0) return undefined
  return new SandboxError('engine_failed', 'The program in the container failed.', {
    details: { exitCode: exec.ExitCode },
  })
}

function cutError(): SandboxError {
  return new SandboxError('engine_unreachable', 'The connection to the program in the container was cut.')
}

type CloseReason = { readonly error?: Error; readonly stderr: string }

/** The stream of one exec. After `pause`, what is left of the chunk in hand (at most 64 KiB) still arrives. */
class ExecStream implements ContainerStream {
  readonly #socket: Duplex
  readonly #whyEnded: () => Promise<Error | undefined>
  readonly #engineClosed: AbortSignal
  readonly #stderr = new TailBuffer(STDERR_BYTES)
  readonly #system = new TailBuffer(STDERR_BYTES)
  readonly #demuxer: Demuxer
  readonly #onEngineClosed = (): void => this.close()
  #onData: ((data: Buffer) => void) | undefined
  #onClose: ((reason: CloseReason) => void) | undefined
  #reason: CloseReason | undefined
  #fault: Error | undefined
  #closedByUs = false

  constructor(socket: Duplex, engineClosed: AbortSignal, whyEnded: () => Promise<Error | undefined>) {
    this.#socket = socket
    this.#whyEnded = whyEnded
    this.#engineClosed = engineClosed
    this.#demuxer = new Demuxer({
      stdout: (piece) => {
        if (!this.#closedByUs) this.#onData?.(piece)
      },
      stderr: (piece) => this.#stderr.push(piece),
      system: (piece) => this.#system.push(piece),
    })
    socket.on('error', (error) => (this.#fault ??= error))
    socket.once('end', () => socket.destroy())
    socket.once('close', () => void this.#settle())
    engineClosed.addEventListener('abort', this.#onEngineClosed)
    if (engineClosed.aborted) this.close()
  }

  write(data: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) {
        reject(closedError())
        return
      }
      // The callback comes when the kernel has the bytes, or with an error when the socket is destroyed before.
      this.#socket.write(data, (error) => (error ? reject(closedError(error)) : resolve()))
    })
  }

  onData(listener: (data: Buffer) => void): void {
    this.#onData = listener
    this.#socket.on('data', (chunk: Buffer) => this.#take(chunk))
  }

  onClose(listener: (reason: CloseReason) => void): void {
    this.#onClose = listener
    if (this.#reason) listener(this.#reason)
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  close(): void {
    this.#closedByUs = true
    // The engine closes the program's stdin when the connection goes.
    this.#socket.destroy()
  }

  #take(chunk: Buffer): void {
    if (this.#closedByUs) return
    try {
      this.#demuxer.push(chunk)
    } catch (error) {
      this.#fault ??= new SandboxError('engine_failed', 'The stream from the container is out of order.', {
        cause: error,
      })
      this.#socket.destroy()
    }
  }

  async #settle(): Promise<void> {
    this.#engineClosed.removeEventListener('abort', this.#onEngineClosed)
    const error = await this.#error()
    this.#reason = { ...(error && { error }), stderr: this.#stderr.toString() }
    this.#onClose?.(this.#reason)
  }

  async #error(): Promise<Error | undefined> {
    if (this.#closedByUs) return undefined
    if (this.#fault instanceof SandboxError) return this.#fault
    const engineText = this.#system.toString()
    if (engineText !== '') {
      return new SandboxError('engine_failed', 'The container engine reported a fault of the stream.', {
        details: { engineText },
      })
    }
    try {
      const why = await this.#whyEnded()
      return why ?? (this.#demuxer.atBoundary ? undefined : cutError())
    } catch (error) {
      return error as Error
    }
  }
}

function closedError(cause?: Error): SandboxError {
  return new SandboxError('engine_unreachable', 'The stream to the container is closed.', cause ? { cause } : {})
}
