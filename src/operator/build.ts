import type { Progress } from '../engine/engine.ts'
import { isSandboxError } from '../errors/sandbox-error.ts'
import { formatBytes, formatDuration } from '../lib/units.ts'
import { makeVisible, oneLine } from '../lib/visible-text.ts'
import type { Catalogue } from '../runtimes/catalogue.ts'
import type { ReadyRuntime, RuntimeImages } from '../runtimes/image-builder.ts'
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

/** What `build --json` prints for each runtime. */
export interface BuiltRuntime {
  readonly name: string
  readonly tag: string
  readonly imageId: string
  readonly digest: string
  readonly sizeBytes: number
  readonly built: boolean
  readonly seconds: number
}

/**
 * `sandbox-mcp build [NAME…|--all]`: sees to it that the images of these runtimes exist. One after the other, since a build uses
 * the whole machine. An unknown name is an error before anything is built. Images that a new one supersedes go, unless in use.
 */
export async function build(args: BuildArgs, deps: BuildDeps): Promise<readonly BuiltRuntime[]> {
  const { catalogue, out } = deps
  const names = args.all ? catalogue.names : [...new Set(args.names)]
  for (const name of names) catalogue.get(name)

  const results: BuiltRuntime[] = []
  for (const name of names) {
    const result = await buildOne(name, deps)
    if (result.built) await deps.images.removeSuperseded(name)
    results.push(result)
    if (!out.json) out.write(`${summary(result)}\n`)
  }
  if (out.json) out.write(`${JSON.stringify(results, undefined, 2)}\n`)
  return results
}

async function buildOne(name: string, { images, out, signal }: BuildDeps): Promise<BuiltRuntime> {
  const startedAt = performance.now()
  const found = images.definition(name).cacheImage ? await images.find(name) : undefined
  if (found) return resultOf(found, false, startedAt)
  const progress = progressTo(out, name)
  try {
    const ready = await images.ensure(name, { onProgress: progress.show, ...(signal && { signal }) })
    progress.clear()
    return resultOf(ready, true, startedAt)
  } catch (error) {
    progress.clear()
    if (!out.json && isSandboxError(error) && typeof error.details['log'] === 'string') {
      out.write(`${makeVisible(error.details['log'].trimEnd())}\n`)
    }
    throw error
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
  { name, tag, imageId, digest, sizeBytes }: ReadyRuntime,
  built: boolean,
  startedAt: number,
): BuiltRuntime {
  const seconds = Math.round((performance.now() - startedAt) / 100) / 10
  return { name, tag, imageId, digest, sizeBytes, built, seconds }
}

function summary({ name, tag, sizeBytes, built, seconds }: BuiltRuntime): string {
  const how = built ? `built in ${formatDuration(seconds * 1000)}` : 'already built'
  return `${name}  ${tag}  ${formatBytes(sizeBytes)}  ${how}`
}
