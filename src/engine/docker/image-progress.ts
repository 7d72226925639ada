import * as z from 'zod'
import { SandboxError } from '../../errors/sandbox-error.ts'
import type { ProgressListener } from '../engine.ts'
import { readTrace, TRACE_ID } from './build-trace.ts'
import { BadReplyError } from './translate-error.ts'

/** One line of the progress of a pull or a build. Unknown fields are of no interest. */
const Line = z.object({
  stream: z.string().optional(),
  status: z.string().optional(),
  id: z.string().optional(),
  error: z.string().optional(),
  aux: z.unknown().optional(),
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

/** "[2/7] RUN make" of BuildKit, also with the stage's name, and "STEP 2/7: RUN make" of Podman. */
const STEP = /^(?:\[(?:\S+ )?\s*(\d+)\/(\d+)\] |STEP (\d+)\/(\d+): )(.*)/
/** Mounts say nothing about what a step does. */
const MOUNT_FLAGS = /--mount=\S+ /g

/** Follows a build: its steps, each with its output. */
export class BuildLog {
  readonly #onProgress: ProgressListener | undefined
  #log = ''
  #step = 'the first step'
  #failedStep: string | undefined
  #reported = ''
  #error: string | undefined

  constructor(onProgress: ProgressListener | undefined) {
    this.#onProgress = onProgress
  }

  take(line: unknown): void {
    const { id, stream = '', error, aux } = parseLine(line)
    if (id === TRACE_ID && typeof aux === 'string') this.#takeTrace(aux)
    if (stream.startsWith('STEP ')) this.#startStep(stream.trimEnd())
    this.#append(error === undefined ? stream : `${error}\n`)
    if (error !== undefined) this.#error = error
  }

  /** The step is text of our own Dockerfile, and safe to show; the output of the step is not, and goes to `details.log`. */
  throwIfFailed(tag: string): void {
    if (this.#error === undefined) return
    const full = this.#error.includes('no space left on device')
    const step = this.#failedStep ?? this.#step
    const message = `The image ${JSON.stringify(tag)} could not be built: ${step} failed.`
    throw new SandboxError(full ? 'disk_full' : 'image_unavailable', message, {
      hint: full
        ? 'Free disk space of the container engine.'
        : 'The last lines of that step are in the log of the server.',
      details: { step, log: this.#log },
    })
  }

  #takeTrace(aux: string): void {
    const { vertexes, output } = readTrace(aux)
    for (const { name, started, error } of vertexes) {
      if (started) this.#startStep(name)
      // Steps that run beside the failed one end with "context canceled": the first failure is the cause.
      if (error !== '') this.#failedStep ??= describeStep(name)
    }
    this.#append(output)
  }

  #startStep(name: string): void {
    this.#step = describeStep(name)
    const match = STEP.exec(name)
    // A vertex is told again when it ends.
    if (!match || this.#reported === name) return
    this.#reported = name
    const [, step = match[3], steps = match[4], , , instruction = ''] = match
    this.#onProgress?.({ step: Number(step), steps: Number(steps), text: shorten(instruction) })
  }

  #append(text: string): void {
    this.#log = (this.#log + text).slice(-MAX_LOG_CHARACTERS)
  }
}

function describeStep(name: string): string {
  const match = STEP.exec(name)
  if (!match) return JSON.stringify(name.slice(0, MAX_TEXT))
  const [, step = match[3], steps = match[4], , , instruction = ''] = match
  return `step ${step}/${steps} (${shorten(instruction)})`
}

function shorten(instruction: string): string {
  return instruction.replace(MOUNT_FLAGS, '').slice(0, MAX_TEXT)
}

function parseLine(line: unknown): z.infer<typeof Line> {
  const parsed = Line.safeParse(line)
  if (!parsed.success) throw new BadReplyError('a line of progress has an unknown shape', { cause: parsed.error })
  return parsed.data
}
