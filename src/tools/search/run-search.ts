import { SandboxError } from '../../errors/sandbox-error.ts'
import type { CommandOutcome } from '../../sandbox/outcome.ts'
import { isMissingProgram } from '../../sandbox/wire-faults.ts'
import type { ToolContext } from '../tool.ts'
import { gnuGrep, ripgrep, type SearchEngine, type Words } from './engines.ts'
import { invalidPattern } from './pattern.ts'

export interface SearchOutput {
  readonly data: Buffer
  /** False when it was cut off, or the search ran out of time. */
  readonly isWhole: boolean
}

/** Output that one pass may bring into the server's memory. */
const MAX_OUTPUT_BYTES = 8 * 1024 * 1024
/** What comes with the reply itself; both streams fit in one frame. */
const FIRST_OUTPUT_BYTES = 768 * 1024
const PAGE_BYTES = 1024 * 1024
const ENV = { LC_ALL: 'C.UTF-8' }

/** Runs searches in one directory of the sandbox with what is there: ripgrep, else GNU grep. All passes share one deadline. */
export class SearchRunner {
  readonly #context: ToolContext
  readonly #cwd: string
  readonly #deadline: number
  #engines: readonly SearchEngine[] = [ripgrep, gnuGrep]

  constructor(context: ToolContext, cwd: string, maxMs: number) {
    this.#context = context
    this.#cwd = cwd
    this.#deadline = performance.now() + maxMs
  }

  /** The engine that the last pass ran with. */
  get engine(): SearchEngine {
    return this.#engines[0] ?? gnuGrep
  }

  /** One pass, with the first engine that is there and understands the pattern; later passes use the same. */
  async run(wordsFor: (engine: SearchEngine) => Words): Promise<SearchOutput> {
    for (;;) {
      const [engine, ...others] = this.#engines
      if (!engine) throw noEngine()
      try {
        return await this.#runWith(engine, wordsFor(engine))
      } catch (error) {
        const cannot = error instanceof PatternRefused || isMissingProgram(error)
        if (!cannot) throw error
        if (others.length > 0) this.#engines = others
        else throw error instanceof PatternRefused ? invalidPattern(error.message) : noEngine(error)
      }
    }
  }

  async #runWith(engine: SearchEngine, command: Words): Promise<SearchOutput> {
    const { sandbox, signal } = this.#context
    const leftMs = Math.max(1, Math.round(this.#deadline - performance.now()))
    const spec = {
      command,
      cwd: this.#cwd,
      env: ENV,
      timeoutMs: leftMs,
      // Its end is waited for: at the timeout it is killed.
      waitMs: leftMs + 5000,
      maxOutputBytes: FIRST_OUTPUT_BYTES,
      private: true,
    }
    const outcome = await sandbox.commands.run(spec, { signal })
    signal.throwIfAborted()
    // 1: nothing found. 2: a complaint, of which only one about the pattern is not silenced.
    const complaint = outcome.stderr.head.toString('utf8').trim()
    if (outcome.exitCode === 2 && complaint !== '') throw new PatternRefused(engine.reason(complaint))
    const data = await this.#wholeOutput(outcome)
    return { data, isWhole: outcome.status === 'exited' && data.length === outcome.totalStdout }
  }

  async #wholeOutput(outcome: CommandOutcome): Promise<Buffer> {
    if (outcome.stdout.omittedBytes === 0) return Buffer.concat([outcome.stdout.head, outcome.stdout.tail])
    const { sandbox, signal } = this.#context
    const pages: Buffer[] = []
    for (let at = 0; at < MAX_OUTPUT_BYTES;) {
      const { stdout } = await sandbox.processes.read(
        {
          id: outcome.id,
          streams: { stdout: true, stderr: false },
          since: { stdout: at, stderr: 0 },
          maxBytes: PAGE_BYTES,
          waitMs: 0,
        },
        signal,
      )
      if (stdout.first !== at || stdout.data.length === 0) break
      pages.push(stdout.data)
      at += stdout.data.length
    }
    return Buffer.concat(pages)
  }
}

/** An engine's own grammar is not exactly that of the check: the other one may still take the pattern. */
class PatternRefused extends Error {
  override readonly name = 'PatternRefused'
}

function noEngine(cause?: unknown): SandboxError {
  return new SandboxError('image_unavailable', 'The runtime has neither ripgrep nor GNU grep.', {
    hint: 'Search with shell_exec and what the runtime has, or use a runtime that has one of them.',
    cause,
  })
}
