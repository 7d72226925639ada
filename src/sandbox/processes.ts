import { setTimeout as delay } from 'node:timers/promises'
import { isSandboxError, SandboxError } from '../errors/sandbox-error.ts'
import { firstCharacter, wholeCharacters } from '../lib/utf8.ts'
import type { SupervisorClient } from '../supervisor/client.ts'
import type { CommandOutput, CommandSummary, OutputPage } from '../supervisor/protocol.ts'
import type { SandboxFacts } from './facts.ts'
import { type SandboxLink, overLink } from './link.ts'
import { type CommandState, stateOf } from './outcome.ts'
import { SENDABLE_SIGNALS, type SendableSignal } from './signals.ts'
import { AMPLE_SPACE, type Space } from './space.ts'
import { isListening, OutputSearch, type WaitCondition } from './wait-condition.ts'
import { commandFault } from './wire-faults.ts'

/** Offsets in bytes into the two streams of a process. */
export interface OutputCursor {
  readonly stdout: number
  readonly stderr: number
}

export interface ProcessReadSpec {
  readonly id: string
  readonly streams: { readonly stdout: boolean; readonly stderr: boolean }
  /** Where to go on; without it the newest output is given. */
  readonly since?: OutputCursor | undefined
  /** Bytes of each stream at most. */
  readonly maxBytes: number
  /** Milliseconds to wait for new output, for the end, or for `until`. */
  readonly waitMs: number
  readonly until?: WaitCondition | undefined
}

export interface StreamPage {
  readonly data: Buffer
  /** Offset of its first byte. */
  readonly first: number
  /** Bytes between the cursor and `first` that are no longer kept, or that were passed over to give the newest. */
  readonly skippedBytes: number
  /** Bytes after this page that are there already. */
  readonly leftBytes: number
}

export interface ProcessOutput {
  readonly state: CommandState
  readonly stdout: StreamPage
  readonly stderr: StreamPage
  readonly next: OutputCursor
  /** Whether `until` came true; undefined when there was none. */
  readonly reached: boolean | undefined
}

export interface ProcessInfo extends CommandState {
  /** Start of its command line. */
  readonly command: string
}

/** What the supervisor queues for a process; more would never be taken. */
const MAX_INPUT_BYTES = 1024 * 1024
/** How often a port is looked at, in milliseconds: the kernel has no event for it that reaches us. */
const PORT_POLL_MS = 100

/** The commands of a sandbox that run on, or have ended and are still remembered. */
export class Processes {
  readonly #link: SandboxLink
  readonly #facts: Pick<SandboxFacts, 'spoolDir' | 'mode'>
  readonly #space: Space

  constructor(link: SandboxLink, facts: Pick<SandboxFacts, 'spoolDir' | 'mode'>, space: Space = AMPLE_SPACE) {
    this.#link = link
    this.#facts = facts
    this.#space = space
  }

  /** Running and remembered ones, newest first. */
  async list(signal?: AbortSignal): Promise<readonly ProcessInfo[]> {
    const commands = await overLink(this.#link, 'anywhere', signal, (client) => client.commands({ signal }))
    return commands
      .map((each) => ({ ...this.#stateOf(each), command: each.command }))
      .sort((a, b) => b.startedAtMs - a.startedAtMs)
  }

  /** Output of a process, running or ended; `not_found` when it is unknown. */
  read(spec: ProcessReadSpec, signal?: AbortSignal): Promise<ProcessOutput> {
    return this.#ask(spec.id, 'same boot', signal, async (client) => {
      if (spec.until?.kind === 'port') return this.#readWhenListening(client, spec, spec.until.port, signal)
      if (spec.until?.kind === 'output') return this.#readWhenFound(client, spec, spec.until.found, signal)
      const output = await this.#page(client, spec, spec.since, spec.waitMs, signal)
      return this.#answer(spec, output, undefined)
    })
  }

  /** Writes to a process's stdin; `too_large` above 1 MiB. Resolves to its state. */
  async write(id: string, input: string, close: boolean, signal?: AbortSignal): Promise<CommandState> {
    const data = Buffer.from(input)
    if (data.length > MAX_INPUT_BYTES) {
      throw new SandboxError('too_large', 'The input is longer than 1 MiB.', {
        hint: 'Write it in pieces, or write a file with write_file and let the process read that.',
      })
    }
    await this.#ask(id, 'never', signal, (client) => client.stdin(id, data, close, { signal }))
    return this.#state(id, signal)
  }

  /**
   * Sends a signal. `kill` and `term` go to every descendant of the process, `int` and `hup` to its process group, as a terminal
   * does. Resolves to its state afterwards.
   */
  async signal(id: string, name: SendableSignal, signal?: AbortSignal): Promise<CommandState> {
    const everywhere = name === 'kill' || name === 'term'
    await this.#ask(id, 'same boot', signal, (client) =>
      client.signal(id, SENDABLE_SIGNALS[name], everywhere, { signal }),
    )
    return this.#state(id, signal)
  }

  #stateOf(summary: CommandSummary): CommandState {
    return stateOf(summary, this.#facts.spoolDir, (id) => this.#space.whyEnded(id))
  }

  async #state(id: string, signal?: AbortSignal): Promise<CommandState> {
    const { summary } = await this.#ask(id, 'same boot', signal, (client) =>
      client.wait(id, { waitMs: 0, head: 0, tail: 0 }, { signal }),
    )
    return this.#stateOf(summary)
  }

  async #ask<T>(
    id: string,
    repeat: 'same boot' | 'never',
    signal: AbortSignal | undefined,
    ask: (client: SupervisorClient) => Promise<T>,
  ): Promise<T> {
    try {
      return await overLink(this.#link, repeat, signal, ask)
    } catch (error) {
      const fault = commandFault(error, id)
      if (this.#facts.mode === 'ephemeral' && isSandboxError(fault, 'not_found')) throw endedWithItsCall(fault)
      throw fault
    }
  }

  #page(
    client: SupervisorClient,
    spec: ProcessReadSpec,
    since: OutputCursor | undefined,
    waitMs: number,
    signal: AbortSignal | undefined,
  ): Promise<CommandOutput> {
    const { stdout, stderr } = spec.streams
    return client.output(
      spec.id,
      {
        stdout,
        stderr,
        fromEnd: since === undefined,
        sinceStdout: since?.stdout ?? spec.maxBytes,
        sinceStderr: since?.stderr ?? spec.maxBytes,
        maxBytes: spec.maxBytes,
        waitMs,
      },
      { signal },
    )
  }

  /** Looks through all output from the cursor on, as it comes, then gives the newest page of it. */
  async #readWhenFound(
    client: SupervisorClient,
    spec: ProcessReadSpec,
    found: (text: string) => boolean,
    signal: AbortSignal | undefined,
  ): Promise<ProcessOutput> {
    const deadline = performance.now() + spec.waitMs
    const searches = [new OutputSearch(found), new OutputSearch(found)] as const
    const start = spec.since ?? { stdout: 0, stderr: 0 }
    let cursor = start
    /** What there was when the time was up: a process that prints faster than we read is not followed for ever. */
    let goal: OutputCursor | undefined
    for (;;) {
      const leftMs = Math.max(0, Math.round(deadline - performance.now()))
      const { stdout, stderr, summary } = await this.#page(client, spec, cursor, leftMs, signal)
      const foundIn = [searches[0].push(stdout.data), searches[1].push(stderr.data)]
      const reached = foundIn.includes(true)
      cursor = { stdout: stdout.next, stderr: stderr.next }
      if (leftMs === 0) goal ??= { stdout: summary.totalStdout, stderr: summary.totalStderr }
      const end = goal ?? { stdout: summary.totalStdout, stderr: summary.totalStderr }
      // A page without data has nothing after it, whatever the supervisor counts.
      const behind =
        (stdout.data.length > 0 && stdout.next < end.stdout) || (stderr.data.length > 0 && stderr.next < end.stderr)
      const over = summary.status !== 'running' && !behind
      if (reached || over || (leftMs === 0 && !behind)) {
        const page = await this.#page(client, spec, spec.since, 0, signal)
        return this.#answer(spec, page, reached)
      }
    }
  }

  async #readWhenListening(
    client: SupervisorClient,
    spec: ProcessReadSpec,
    port: number,
    signal: AbortSignal | undefined,
  ): Promise<ProcessOutput> {
    const deadline = performance.now() + spec.waitMs
    for (;;) {
      const reached = await isListening(client, port, signal)
      const output = await this.#page(client, spec, spec.since, 0, signal)
      const over = output.summary.status !== 'running' && !output.summary.leftRunning
      if (reached || over || performance.now() >= deadline) return this.#answer(spec, output, reached)
      await delay(PORT_POLL_MS, undefined, signal ? { signal } : {})
    }
  }

  #answer(spec: ProcessReadSpec, output: CommandOutput, reached: boolean | undefined): ProcessOutput {
    const running = output.summary.status === 'running'
    const stdout = wholePage(output.stdout, spec.since?.stdout, output.summary.totalStdout, running)
    const stderr = wholePage(output.stderr, spec.since?.stderr, output.summary.totalStderr, running)
    return {
      state: this.#stateOf(output.summary),
      stdout,
      stderr,
      next: {
        stdout: spec.streams.stdout ? stdout.first + stdout.data.length : (spec.since?.stdout ?? 0),
        stderr: spec.streams.stderr ? stderr.first + stderr.data.length : (spec.since?.stderr ?? 0),
      },
      reached,
    }
  }
}

function endedWithItsCall({ message }: SandboxError): SandboxError {
  return new SandboxError('not_found', message, {
    hint: 'Each call has a sandbox of its own here: processes and their output end with the call that started them. Run it again.',
  })
}

/** Cuts a page so that it holds whole characters; what is cut at its end comes with the next page. */
function wholePage(page: OutputPage, since: number | undefined, total: number, running: boolean): StreamPage {
  const skippedBytes = page.first - (since ?? 0)
  const start = skippedBytes > 0 ? firstCharacter(page.data) : 0
  const isFull = page.next < total
  const whole = wholeCharacters(page.data)
  // A page too small for one character gives its bytes all the same: whoever pages has to get on.
  const end = (running || isFull) && !(isFull && whole <= start) ? whole : page.data.length
  const data = page.data.subarray(start, Math.max(start, end))
  const first = page.first + start
  return { data, first, skippedBytes: skippedBytes + start, leftBytes: Math.max(0, total - first - data.length) }
}

/** The text form of a cursor that travels through the model: "stdout:stderr". */
export function formatCursor(cursor: OutputCursor): string {
  return `${cursor.stdout}:${cursor.stderr}`
}

export function parseCursor(text: string): OutputCursor {
  const match = /^(\d{1,15}):(\d{1,15})$/.exec(text)
  if (!match) {
    throw new SandboxError('invalid_argument', 'since: not a cursor.', {
      hint: 'Use the `next` of an earlier process_read, or "0:0" for the start.',
    })
  }
  return { stdout: Number(match[1]), stderr: Number(match[2]) }
}
