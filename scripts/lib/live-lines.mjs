import { duration, isTerminal, paint, print } from './terminal.mjs'

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']

/**
 * Lines about work under way. On a terminal they stand below the finished ones and are redrawn with the time that has passed; elsewhere
 * each is printed once, when the work begins.
 */
export class LiveLines {
  #running = new Map()
  #drawn = 0
  #frame = 0
  #timer

  begin(title, text) {
    const startedMs = this.#running.get(title)?.startedMs ?? performance.now()
    this.#running.set(title, { text, startedMs })
    if (!isTerminal) return print(`${paint('cyan', '→')} ${title.padEnd(15)} ${text} …`)
    this.#timer ??= setInterval(() => this.#redraw(), 100)
    this.#redraw()
  }

  /** Changes the text of a line where it can be redrawn. */
  update(title, text) {
    const line = this.#running.get(title)
    if (line) line.text = text
  }

  /** Takes the work's line away and prints `line` for good. */
  end(title, line) {
    this.#running.delete(title)
    this.#clear()
    print(line)
    if (isTerminal) this.#redraw()
    if (this.#running.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #redraw() {
    this.#clear()
    this.#frame = (this.#frame + 1) % frames.length
    for (const [title, { text, startedMs }] of this.#running) {
      const line = clip(`${title.padEnd(15)} ${text} … ${duration(performance.now() - startedMs)}`)
      print(`${paint('cyan', frames[this.#frame])} ${line}`)
    }
    this.#drawn = this.#running.size
  }

  #clear() {
    if (this.#drawn > 0) process.stdout.write(`\u001b[${this.#drawn}F\u001b[J`)
    this.#drawn = 0
  }
}

/** A line that wrapped could not be cleared again. */
function clip(line) {
  return line.slice(0, (process.stdout.columns || 80) - 3)
}
