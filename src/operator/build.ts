import type { Progress } from '../engine/engine.ts'
import type { ErrorCode } from '../errors/codes.ts'
import { isSandboxError, type SandboxError } from '../errors/sandbox-error.ts'
import { formatBytes, formatDuration } from '../lib/units.ts'
import { makeVisible, oneLine } from '../lib/visible-text.ts'
import type { Catalogue } from '../runtimes/catalogue.ts'
import type { ReadyRuntime, RuntimeImages } from '../runtimes/image-builder.ts'
import { IN_THE_MAKING_MS } from '../runtimes/prune-images.ts'
import type { Output } from './output.ts'

/** Carriage return, and erase to the end of the line (ECMA-48 EL). */
const START_OF_LINE = '\r\x1b[K'
/** What fits into a line of the usual terminal. */
const LINE_CHARACTERS = 78

export interface BuildArgs {
  readonly names: readonly string[]
  /** Every runtime of the catalogue, in place of `names`. */
  readonly all?: boolean
}

export interface BuildDeps {
  readonly images: RuntimeImages
  readonly catalogue: Catalogue
  readonly out: Output
  readonly signal?: AbortSignal
}

/** What `build --json` prints for a runtime whose image is there. */
export interface BuiltRuntime {
  readonly name: string
  readonly tag: string
  readonly imageId: string
  readonly digest: string
  readonly sizeBytes: number
  /** The base that it was really made from. */
  readonly base: string
  /** False: it was there already. */
  readonly built: boolean
  readonly seconds: number
}

/** What `build --json` prints for a runtime that could not be built. */
export interface FailedRuntime {
  readonly name: string
  readonly built: false
  readonly seconds: number
  readonly error: {
    readonly code: ErrorCode
    readonly message: string
    readonly hint: string
    /** The step that failed, as the message tells it; null when it was none of the build's. */
    readonly step: string | null
    /** Its last lines. */
    readonly log: string | null
  }
}

/**
 * `sandbox-mcp build [NAME…|--all]`: sees to it that the images of these runtimes exist. One after the other, since a build uses
 * the whole machine. An unknown name is an error before anything is built; a runtime that cannot be built does not keep the next from it.
 * Images that a new one supersedes go, unless in use. Fails, after all, with the error of the first that failed.
 */
export async function build(args: BuildArgs, deps: BuildDeps): Promise<void> {
  const { catalogue, images, out } = deps
  const names = args.all ? catalogue.names : [...new Set(args.names)]
  for (const name of names) catalogue.get(name)

  const results: (BuiltRuntime | FailedRuntime)[] = []
  const failures: SandboxError[] = []
  for (const name of names) {
    const startedAt = performance.now()
    try {
      const result = await buildOne(name, deps)
      results.push(result)
      if (!out.json) out.write(`${summary(result)}\n`)
    } catch (error) {
      if (!isSandboxError(error)) throw error
      failures.push(error)
      const result = failureOf(name, error, startedAt)
      results.push(result)
      if (!out.json) out.write(failedText(result, names.length > 1))
      if (isFinal(error)) break
    }
  }
  if (results.some(({ built }) => built)) await images.prune(names, IN_THE_MAKING_MS)
  if (out.json) out.write(`${JSON.stringify(results, undefined, 2)}\n`)
  if (failures[0]) throw failures[0]
}

/** True for what would keep the next one from being built, too. */
function isFinal({ code }: SandboxError): boolean {
  return code === 'engine_unreachable' || code === 'cancelled' || code === 'disk_full'
}

async function buildOne(name: string, { images, out, signal }: BuildDeps): Promise<BuiltRuntime> {
  const startedAt = performance.now()
  const found = images.definition(name).cacheImage ? await images.find(name) : undefined
  if (found) return resultOf(found, false, startedAt)
  const progress = progressTo(out, name)
  try {
    return resultOf(
      await images.ensure(name, { onProgress: progress.show, ...(signal && { signal }) }),
      true,
      startedAt,
    )
  } finally {
    progress.clear()
  }
}

/** One line that is written over on a terminal; one line for each step elsewhere; nothing beside JSON. */
function progressTo({ write, isTerminal, json }: Output, name: string) {
  let last = ''
  return {
    show({ step, steps, text }: Progress): void {
      const line = oneLine(`${name}: step ${step} of ${steps}: ${text}`, LINE_CHARACTERS)
      if (json || line === last) return
      last = line
      write(isTerminal ? `${START_OF_LINE}${line}` : `${line}\n`)
    },
    clear(): void {
      if (isTerminal && last !== '') write(START_OF_LINE)
    },
  }
}

function resultOf(
  { name, tag, imageId, digest, sizeBytes, base }: ReadyRuntime,
  built: boolean,
  startedAt: number,
): BuiltRuntime {
  return { name, tag, imageId, digest, sizeBytes, base, built, seconds: secondsSince(startedAt) }
}

function failureOf(name: string, { code, message, hint, details }: SandboxError, startedAt: number): FailedRuntime {
  const text = (value: unknown) => (typeof value === 'string' ? value : null)
  const error = { code, message, hint, step: text(details['step']), log: text(details['log']) }
  return { name, built: false, seconds: secondsSince(startedAt), error }
}

/** To a tenth. */
function secondsSince(startedAt: number): number {
  return Math.round((performance.now() - startedAt) / 100) / 10
}

function summary({ name, tag, sizeBytes, built, seconds }: BuiltRuntime): string {
  const how = built ? `built in ${formatDuration(seconds * 1000)}` : 'already built'
  return `${name}  ${tag}  ${formatBytes(sizeBytes)}  ${how}`
}

/** The last lines of the step; beside others also what is said in the end, since only the first failure is then told again. */
function failedText({ name, error, seconds }: FailedRuntime, isOneOfMany: boolean): string {
  const log = error.log === null ? '' : `${makeVisible(error.log.trimEnd())}\n`
  return isOneOfMany ? `${log}${name}  failed after ${formatDuration(seconds * 1000)}: ${error.message}\n` : log
}
