import { posix } from 'node:path'
import { isSandboxError } from '../../errors/sandbox-error.ts'
import type { Sandbox } from '../../sandbox/sandbox.ts'
import { fileName, visibleName } from '../render/file-name.ts'
import { imageBlock, MAX_IMAGE_FILE_BYTES } from '../images/image-block.ts'
import { imageType } from '../images/image-type.ts'
import type { ToolContext, ToolImage } from '../tool.ts'

/** Images of one result, and their bytes in all. */
const MAX_IMAGES = 4
const MAX_TOTAL_BYTES = 2_000_000
const IMAGE_GLOBS = ['*.png', '*.jpg', '*.jpeg', '*.gif', '*.webp']
const SAVED_DEPTH = 3
/** More than are shown, to say how many there are. */
const MAX_LISTED = 50
/** Scaling images down is slow; a result may not wait for it so long that its client gives up. */
const DEADLINE_MS = 8000

export interface CollectedImages {
  readonly images: readonly ToolImage[]
  /** One line for each image, and for what is not shown. */
  readonly notes: readonly string[]
}

interface Candidate {
  readonly path: string
  readonly name: string
}

/** What a run's images are told by. */
export interface RunMarks {
  /** Directory of the figures that it showed or left open. */
  readonly figures: string | undefined
  readonly cwd: string
  /** Images below its working directory before it began. */
  readonly before: ImageVersions
  /** When it began, by the clock that files carry: in steps of some milliseconds, which is why `before` is needed too. */
  readonly sinceMs: number
}

export type ImageVersions = ReadonlySet<bigint>

/** The newest images below a directory, to know those of a run from them. */
export async function imageVersions(cwd: string, { sandbox, signal }: ToolContext): Promise<ImageVersions> {
  const entries = await listing(sandbox, cwd, IMAGE_GLOBS, SAVED_DEPTH, 'mtime', signal)
  return new Set(entries.map(({ version }) => version))
}

/** The images that a run made: its figures, then files that it wrote below its working directory. */
export async function collectImages(run: RunMarks, context: ToolContext): Promise<CollectedImages> {
  const figures = run.figures === undefined ? [] : await entriesOf(run.figures, context)
  const kept = figures.filter(({ path }) => !path.toString().endsWith('.more'))
  const saved = await savedImages(run, context)
  const candidates: Candidate[] = [
    ...kept.map(({ path }, at) => ({ path: posix.join(run.figures ?? '', path.toString()), name: `figure ${at + 1}` })),
    ...saved,
  ]
  const late = AbortSignal.timeout(DEADLINE_MS)
  const images: ToolImage[] = []
  const notes: string[] = []
  const maxBytes = Math.min(1_000_000, Math.floor(MAX_TOTAL_BYTES / Math.min(MAX_IMAGES, candidates.length)))
  let others = figures.length - kept.length
  for (const { path, name } of candidates) {
    if (images.length === MAX_IMAGES) others++
    else {
      const shown = await show(path, maxBytes, late, context)
      if (shown.image) images.push(shown.image)
      notes.push(
        shown.image ? `[image ${images.length}: ${name} · ${shown.about}]` : `[not shown: ${name} · ${shown.about}]`,
      )
    }
  }
  if (others > 0)
    notes.push(`[${others} more ${others === 1 ? 'image' : 'images'} not shown: save them, then use read_file]`)
  return { images, notes }
}

async function savedImages({ cwd, before, sinceMs }: RunMarks, { sandbox, signal }: ToolContext): Promise<Candidate[]> {
  const page = await listing(sandbox, cwd, IMAGE_GLOBS, SAVED_DEPTH, 'mtime', signal)
  return page
    .filter(
      ({ type, sizeBytes, version, mtimeMs }) =>
        type === 'file' && sizeBytes > 0 && mtimeMs >= sinceMs && !before.has(version),
    )
    .sort((a, b) => a.mtimeMs - b.mtimeMs)
    .flatMap(({ path }) => {
      const { exact, isUtf8 } = fileName(path)
      return isUtf8 ? [{ path: posix.join(cwd, exact), name: visibleName(exact) }] : []
    })
}

function entriesOf(directory: string, { sandbox, signal }: ToolContext) {
  return listing(sandbox, directory, [], 1, 'name', signal)
}

/** Entries of a directory; none when the program removed it. */
async function listing(
  sandbox: Sandbox,
  directory: string,
  globs: readonly string[],
  depth: number,
  sort: 'name' | 'mtime',
  signal: AbortSignal,
) {
  try {
    const spec = { depth, hidden: false, sort, limit: MAX_LISTED, skip: 0, globs }
    return (await sandbox.files.list(directory, spec, signal)).entries
  } catch (error) {
    if (isSandboxError(error, 'not_found') || isSandboxError(error, 'permission_denied')) return []
    throw error
  }
}

/** An image that cannot be shown is no failure of the run: its note says why. */
async function show(
  path: string,
  maxBytes: number,
  late: AbortSignal,
  { sandbox, signal }: ToolContext,
): Promise<{ image?: ToolImage; about: string }> {
  try {
    const { data } = await sandbox.files.readBytes(path, MAX_IMAGE_FILE_BYTES, signal)
    const type = imageType(data)
    if (type === undefined) return { about: 'no png, jpeg, gif or webp' }
    return await imageBlock(data, type, AbortSignal.any([signal, late]), maxBytes)
  } catch (error) {
    if (late.aborted && !signal.aborted) return { about: 'it takes too long to scale it down' }
    if (!isSandboxError(error) || error.facts.kind === 'unavailable') throw error
    return { about: error.message }
  }
}
