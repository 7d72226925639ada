import * as z from 'zod'
import { SandboxError } from '../../errors/sandbox-error.ts'
import type { ProgressListener } from '../engine.ts'
import { BadReplyError } from './translate-error.ts'

/** One line of the progress of a pull or a build. Unknown fields are of no interest. */
const Line = z.object({
  stream: z.string().optional(),
  status: z.string().optional(),
  id: z.string().optional(),
  error: z.string().optional(),
})
/** Characters of the log that are kept for `details.log`. */
const MAX_LOG_CHARACTERS = 8192
/** Characters of one progress text. */
const MAX_TEXT = 200
/** Layers that are counted; Docker itself allows 127. */
const MAX_LAYERS = 1024

/** Follows a pull: a step is a layer. */
export class PullLog {
  readonly #onProgress: ProgressListener | undefined
  readonly #layers = new Map<string, boolean>()
  #error: string | undefined

  constructor(onProgress: ProgressListener | undefined) {
    this.#onProgress = onProgress
  }

  take(line: unknown): void {
    const { status, id, error } = parseLine(line)
    if (error !== undefined) this.#error = error
    if (status === undefined || id === undefined || this.#layers.size >= MAX_LAYERS) return
    // "Pulling from …" carries the tag as its id.
    if (status.startsWith('Pulling from')) return
    this.#layers.set(id, status === 'Pull complete' || status === 'Already exists')
    const done = [...this.#layers.values()].filter(Boolean).length
    this.#onProgress?.({ step: done, steps: this.#layers.size, text: status.slice(0, MAX_TEXT) })
  }

  throwIfFailed(reference: string): void {
    if (this.#error === undefined) return
    throw new SandboxError('image_unavailable', `The image ${JSON.stringify(reference)} could not be pulled.`, {
      details: { log: this.#error.slice(-MAX_LOG_CHARACTERS) },
    })
  }
}

/** Follows a build by the classic builder: "Step 2/7 : RUN make", then that step's output. */
export class BuildLog {
  readonly #onProgress: ProgressListener | undefined
  #log = ''
  #step = 'the first step'
  #error: string | undefined

  constructor(onProgress: ProgressListener | undefined) {
    this.#onProgress = onProgress
  }

  take(line: unknown): void {
    const { stream = '', error } = parseLine(line)
    const text = error ?? stream
    this.#log = (this.#log + text).slice(-MAX_LOG_CHARACTERS)
    if (error !== undefined) this.#error = error
    const match = /^Step (\d+)\/(\d+) : (.*)/.exec(stream)
    if (!match) return
    const [, step, steps, instruction = ''] = match
    this.#step = `step ${step}/${steps} (${instruction.slice(0, MAX_TEXT)})`
    this.#onProgress?.({ step: Number(step), steps: Number(steps), text: instruction.slice(0, MAX_TEXT) })
  }

  /** The step is text of our own Dockerfile, and safe to show; the output of the step is not, and goes to `details.log`. */
  throwIfFailed(tag: string): void {
    if (this.#error === undefined) return
    const full = this.#error.includes('no space left on device')
    const message = `The image ${JSON.stringify(tag)} could not be built: ${this.#step} failed.`
    throw new SandboxError(full ? 'disk_full' : 'image_unavailable', message, { details: { log: this.#log } })
  }
}

function parseLine(line: unknown): z.infer<typeof Line> {
  const parsed = Line.safeParse(line)
  if (!parsed.success) throw new BadReplyError('a line of progress has an unknown shape', { cause: parsed.error })
  return parsed.data
}
