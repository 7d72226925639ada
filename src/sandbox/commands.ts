import { randomBytes } from 'node:crypto'
import { SandboxError } from '../errors/sandbox-error.ts'
import type { Logger } from '../lib/logger.ts'
import { visibleText } from '../lib/visible-text.ts'
import type { SupervisorClient } from '../supervisor/client.ts'
import type { StartRequest } from '../supervisor/encode.ts'
import { ConnectionLost, WireError } from '../supervisor/errors.ts'
import { KEY_BYTES } from '../supervisor/protocol.ts'
import type { SandboxFacts } from './facts.ts'
import { type SandboxLink, overLink } from './link.ts'
import { type CommandOutcome, outcomeOf } from './outcome.ts'
import { resolvePath } from './paths.ts'
import { AMPLE_SPACE, type Space } from './space.ts'
import { commandFault } from './wire-faults.ts'

export interface CommandSpec {
  /** One shell line, or the words of a program; bytes where a word need not be UTF-8, as names of files. At most 1 MiB. */
  readonly command: string | readonly (string | Uint8Array)[]
  readonly cwd?: string | undefined
  /** On top of the sandbox's own environment. */
  readonly env?: Readonly<Record<string, string>> | undefined
  readonly stdin?: string | undefined
  /** Milliseconds after which the command is ended. */
  readonly timeoutMs: number
  /** Milliseconds after which the answer comes even if the command still runs; 0 = at once, in the background. */
  readonly waitMs: number
  /** True where the caller stays with the command to its end, by other means than this wait: nothing is left behind then, whatever the mode. */
  readonly isAttended?: boolean
  /** Bytes of each stream in the answer: one fifth from its start, the rest from its end. */
  readonly maxOutputBytes: number
  /** True for what the server runs for itself: the user's list of processes leaves it out, and it pushes none of theirs out of memory. */
  readonly private?: boolean
}

export interface RunOptions {
  /** Ends the command, and all that it started, when it fires. */
  readonly signal?: AbortSignal | undefined
  /** Called at once and then every few seconds while the command runs. */
  readonly onProgress?: ((beat: ProgressBeat) => void) | undefined
}

export interface ProgressBeat {
  readonly elapsedMs: number
  /** The newest whole line of output, safe to show; empty while there is none. */
  readonly lastLine: string
}

/** Between SIGTERM and SIGKILL, in milliseconds. */
const GRACE_MS = 1000
const PROGRESS_MS = 3000
/** After its timeout and the grace a command is told to have ended within this time, in milliseconds. */
const END_MS = 10_000
/** What a wait in the protocol can say. */
const MAX_WAIT_MS = 2 ** 32 - 1
const LAST_LINE_BYTES = 512
const HEAD_SHARE = 0.2
/** Sizes that still fit in one frame together. */
const MAX_COMMAND_BYTES = 1024 * 1024
const MAX_STDIN_BYTES = 512 * 1024
const MAX_ENV_BYTES = 256 * 1024
const MAX_ENV_ENTRY_BYTES = 128 * 1024 - 1
/** What each word and variable takes in the frame beside its bytes. */
const LENGTH_FIELD_BYTES = 4
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

/** Runs commands in one sandbox. */
export class Commands {
  readonly #link: SandboxLink
  readonly #facts: SandboxFacts
  readonly #logger: Logger
  readonly #baseEnv: readonly string[]
  readonly #space: Space

  constructor(link: SandboxLink, facts: SandboxFacts, logger: Logger, space: Space = AMPLE_SPACE) {
    this.#space = space
    this.#link = link
    this.#facts = facts
    this.#logger = logger
    this.#baseEnv = envList(facts.env)
  }

  /**
   * Runs a command until it ends or `waitMs` passed. Its exit code, signal, timeout or OOM kill is data in the outcome; an error means
   * that it could not be started, or that its outcome is unknown (`sandbox_stopped`).
   */
  async run(spec: CommandSpec, options: RunOptions = {}): Promise<CommandOutcome> {
    const request = this.#request(spec)
    const { signal, onProgress } = options
    const program = typeof spec.command === 'string' ? 'the shell' : String(spec.command[0] ?? '')
    const stopBeats = onProgress ? this.#beats(request.key, onProgress) : undefined
    const onAbort = () => this.#cancel(request.key)
    try {
      const result = await overLink(this.#link, 'same boot', signal, (client) => {
        // The waiting is not aborted: the command's end by the cancel is what is waited for.
        if (signal?.aborted) throw signal.reason
        signal?.addEventListener('abort', onAbort, { once: true })
        return client.start(request)
      })
      return outcomeOf(result, request.cwd, this.#facts.spoolDir, (id) => this.#space.whyEnded(id))
    } catch (error) {
      throw commandFault(error, program)
    } finally {
      signal?.removeEventListener('abort', onAbort)
      stopBeats?.()
    }
  }

  #request(spec: CommandSpec): StartRequest {
    checkCommand(spec)
    const background = spec.waitMs === 0
    const head = Math.floor(spec.maxOutputBytes * HEAD_SHARE)
    const cwd = spec.cwd === undefined ? this.#facts.workspace : resolvePath(spec.cwd, this.#facts.workspace)
    return {
      key: randomBytes(KEY_BYTES),
      command: spec.command,
      keepStdinOpen: background,
      private: spec.private ?? false,
      timeoutMs: spec.timeoutMs,
      graceMs: GRACE_MS,
      waitMs: this.#waitMs(spec),
      head,
      tail: spec.maxOutputBytes - head,
      cwd,
      // PWD as a shell sets it: the supervisor runs plain lines without one.
      env:
        spec.env === undefined
          ? [...this.#baseEnv, `PWD=${cwd}`]
          : envList({ ...this.#facts.env, PWD: cwd, ...checkedEnv(spec.env) }),
      stdin: spec.stdin === undefined ? new Uint8Array(0) : Buffer.from(spec.stdin),
    }
  }

  /** Where nothing outlives the call, a command is waited for to its end: what still ran after the wait would be lost with its output. */
  #waitMs({ waitMs, timeoutMs, isAttended }: CommandSpec): number {
    if (this.#facts.mode !== 'ephemeral' || isAttended) return waitMs
    if (waitMs > 0) return Math.min(timeoutMs + GRACE_MS + END_MS, MAX_WAIT_MS)
    throw new SandboxError(
      'invalid_argument',
      'Nothing runs on in the background here: each call has a sandbox of its own.',
      {
        hint: 'Leave wait_s out: the call waits until the command ends, or timeout_s is over.',
      },
    )
  }

  /** Ends the command of `key`. If the way to it is lost, its own timeout ends it. */
  #cancel(key: Uint8Array): void {
    this.#link
      .client()
      .then((client) => client.cancel(key, GRACE_MS))
      .catch((error: unknown) => this.#onLate(error, 'cancel'))
  }

  #beats(key: Uint8Array, onProgress: (beat: ProgressBeat) => void): () => void {
    const started = performance.now()
    let isOver = false
    let isAsking = false
    const beat = (lastLine: string) => {
      // An answer may cross the command's end: there is no progress after the result.
      if (!isOver) onProgress({ elapsedMs: performance.now() - started, lastLine })
    }
    beat('')
    const timer = setInterval(() => {
      if (isAsking) return
      isAsking = true
      this.#link
        .client()
        .then((client) => newestLine(client, key))
        .then(beat)
        .catch((error: unknown) => this.#onLate(error, 'progress'))
        .finally(() => (isAsking = false))
    }, PROGRESS_MS)
    return () => {
      isOver = true
      clearInterval(timer)
    }
  }

  /**
   * A beat or a cancel that comes too late for its command, or over a lost stream, changes nothing: the run itself reports it. Whatever else
   * goes wrong beside the run is a fault of ours. Nobody waits for it, so it is logged: thrown, it would end the server, and with it every
   * other user's calls.
   */
  #onLate(error: unknown, doing: 'cancel' | 'progress'): void {
    if (error instanceof ConnectionLost || error instanceof WireError || error instanceof SandboxError) return
    this.#logger.error({ err: error, doing }, 'a fault beside a command')
  }
}

/** The newest line of either stream. */
async function newestLine(client: SupervisorClient, key: Uint8Array): Promise<string> {
  const { stdout, stderr } = await client.output(key, {
    stdout: true,
    stderr: true,
    fromEnd: true,
    sinceStdout: LAST_LINE_BYTES,
    sinceStderr: LAST_LINE_BYTES,
    maxBytes: LAST_LINE_BYTES,
    waitMs: 0,
  })
  const text = visibleText(stdout.data.length > 0 ? stdout.data : stderr.data).trimEnd()
  return text.slice(text.lastIndexOf('\n') + 1)
}

function checkCommand({ command, stdin }: CommandSpec): void {
  const words = typeof command === 'string' ? [command] : command
  if (words.length === 0 || String(words[0]).trim() === '') {
    throw new SandboxError('invalid_argument', 'The command is empty.', { hint: 'Give a shell command.' })
  }
  if (words.some((word) => (typeof word === 'string' ? word.includes('\0') : word.includes(0)))) {
    throw new SandboxError('invalid_argument', 'The command holds a NUL character.')
  }
  // Each further word costs its length field too: a million empty ones are no small command.
  const lengthFields = (words.length - 1) * LENGTH_FIELD_BYTES
  if (words.reduce((sum, word) => sum + Buffer.byteLength(word), lengthFields) > MAX_COMMAND_BYTES) {
    throw new SandboxError('too_large', 'The command is longer than 1 MiB.', {
      hint: 'Write a script with write_file and run that.',
    })
  }
  if (stdin !== undefined && Buffer.byteLength(stdin) > MAX_STDIN_BYTES) {
    throw new SandboxError('too_large', 'stdin is longer than 512 KiB.', {
      hint: 'Write a file with write_file and redirect it: command < file.',
    })
  }
}

function checkedEnv(env: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  let total = 0
  for (const [name, value] of Object.entries(env)) {
    if (!ENV_NAME.test(name)) {
      throw new SandboxError('invalid_argument', 'env: a name is not a variable name (letters, digits, _).')
    }
    if (value.includes('\0')) throw new SandboxError('invalid_argument', `env: ${name} holds a NUL character.`)
    const size = name.length + 1 + Buffer.byteLength(value)
    total += size + LENGTH_FIELD_BYTES
    if (size > MAX_ENV_ENTRY_BYTES || total > MAX_ENV_BYTES) {
      throw new SandboxError('too_large', 'env: more than 256 KiB in all, or 128 KiB in one variable.')
    }
  }
  return env
}

function envList(env: Readonly<Record<string, string>>): string[] {
  return Object.entries(env).map(([name, value]) => `${name}=${value}`)
}
