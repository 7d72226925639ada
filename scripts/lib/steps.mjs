import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

import { run } from './command.mjs'
import { LiveLines } from './live-lines.mjs'
import { ensureCacheDir } from './paths.mjs'
import { duration, lastLines, paint, print } from './terminal.mjs'

/** How much of a failed step's log is shown. */
const shownLogLines = 30

const endSignals = ['SIGINT', 'SIGTERM', 'SIGHUP']

/** Ends a step with a message for people: what is wrong and what to do. Its log is not shown. */
export class SetUpError extends Error {}

/** A step has failed, and `Steps` has already said so: its caller has only to end. The cause is the step's own error. */
export class StepFailed extends Error {}

/**
 * Runs named steps, each when the ones that it needs are done, as many at once as there can be, and tells about it: one line when a
 * step begins to work, one when it ends with what came of it and how long it took. The first failure ends the others.
 */
export class Steps {
  #live = new LiveLines()
  #failure = new AbortController()

  #outcomes = []

  constructor() {
    // Programs run in process groups of their own, so Ctrl-C reaches only this process. A second one ends it at once.
    for (const name of endSignals) process.once(name, this.#interrupt)
  }

  /** Waits for everything that was begun, also after a failure, and gives Ctrl-C its usual meaning back. */
  async close() {
    await Promise.allSettled(this.#outcomes)
    for (const name of endSignals) process.off(name, this.#interrupt)
  }

  /**
   * Calls `body(step, ...values)` with the values of the steps in `after`. `body` calls `step.doing(text)` before it starts to work
   * (a step with nothing to do never does) and returns `{ summary, value }`: what came of it, for people and for other steps.
   * Gives the value.
   */
  run(title, after, body) {
    const outcome = this.#run(title, after, body)
    // Whoever needs it awaits it; that nobody awaits it yet while another step fails is not a fault.
    outcome.catch(() => {})
    this.#outcomes.push(outcome)
    return outcome
  }

  #interrupt = (name) => {
    print(`${paint('yellow', '!')} ${name}: stopping`)
    this.#failure.abort(new StepFailed(`Stopped by ${name}`))
  }

  async #run(title, after, body) {
    const inputs = await Promise.all(after)
    if (this.#failure.signal.aborted) throw this.#failure.signal.reason
    const step = new Step(title, this.#live, this.#failure.signal)
    try {
      const { summary, value } = await body(step, ...inputs)
      step.end('green', '✓', summary)
      return value
    } catch (error) {
      const isFirst = !this.#failure.signal.aborted
      if (isFirst) this.#failure.abort(new StepFailed(`${title} failed`, { cause: error }))
      step.end(isFirst ? 'red' : 'dim', isFirst ? '✗' : '–', isFirst ? error.message : 'stopped')
      if (isFirst && !(error instanceof SetUpError)) step.showLog(error)
      throw new StepFailed(`${title} failed`, { cause: error })
    }
  }
}

class Step {
  #title
  #live
  #startedMs = performance.now()
  #works = false

  constructor(title, live, signal) {
    this.#title = title
    this.#live = live
    /** Fires when another step has failed or the user wants to stop. */
    this.signal = signal
    this.logPath = join(ensureCacheDir(), `${title.replaceAll(' ', '-')}.log`)
    rmSync(this.logPath, { force: true })
  }

  /** Says what is being done now. */
  doing(text) {
    this.#works = true
    this.#live.begin(this.#title, text)
  }

  /** Says how far the thing being done is; only seen on a terminal. */
  progress(text) {
    this.#live.update(this.#title, text)
  }

  /** Runs a program with its output in the step's log; see `run`. */
  run(command, args, options) {
    return run(command, args, { logPath: this.logPath, signal: this.signal, ...options })
  }

  /** A step without a summary that had nothing to do leaves no line. */
  end(style, mark, summary) {
    if (summary === undefined && !this.#works) return
    const seconds = this.#works ? paint('dim', `  ${duration(performance.now() - this.#startedMs)}`) : ''
    this.#live.end(this.#title, `${paint(style, mark)} ${this.#title.padEnd(15)} ${summary}${seconds}`)
  }

  showLog(error) {
    if (!existsSync(this.logPath)) return print(error.stack)
    print(lastLines(readFileSync(this.logPath, 'utf8'), shownLogLines).replaceAll(/^/gm, '    '))
    print(`  The whole log: ${this.logPath}`)
  }
}
