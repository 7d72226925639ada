import { formatDuration } from '../lib/units.ts'
import { oneLine } from '../lib/visible-text.ts'

export interface ProgressNote {
  /** Counts beats: the protocol asks for a number that grows. */
  readonly progress: number
  /** Elapsed time, and the newest line of output. */
  readonly message: string
}

const BEAT_MS = 3000
/** Texts that come faster are kept for the next beat. */
const MIN_GAP_MS = 1000
const MAX_LINE_CHARACTERS = 200

/**
 * Tells a waiting client that a call lives: a beat at once, then one every few seconds. Nothing is said only here: clients may drop
 * a notification that comes right before the result.
 */
export class ProgressBeats {
  readonly #send: (note: ProgressNote) => void
  readonly #started = performance.now()
  readonly #timer: NodeJS.Timeout
  #sentAt = -MIN_GAP_MS
  #count = 0
  #text = ''

  constructor(send: (note: ProgressNote) => void) {
    this.#send = send
    this.#timer = setInterval(() => this.#beat(), BEAT_MS)
    this.#timer.unref()
    this.#beat()
  }

  /** The newest thing to say. */
  readonly note = (text: string): void => {
    if (text === '') return
    this.#text = oneLine(text, MAX_LINE_CHARACTERS)
    if (performance.now() - this.#sentAt >= MIN_GAP_MS) this.#beat()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #beat(): void {
    this.#sentAt = performance.now()
    this.#timer.refresh()
    const elapsed = formatDuration(Math.round(this.#sentAt - this.#started))
    this.#send({ progress: ++this.#count, message: this.#text === '' ? elapsed : `${elapsed} · ${this.#text}` })
  }
}
