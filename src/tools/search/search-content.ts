import type { ToolContext } from '../tool.ts'
import { type LineRecord, type CountRecord, parseCounts, parseLines, parseNames } from './records.ts'
import type { SearchPattern } from './pattern.ts'
import { SearchRunner } from './run-search.ts'

export interface ContentQuery {
  readonly pattern: SearchPattern
  /** Directory in which the search runs, and from which paths are told. */
  readonly directory: string
  /** Name of one file of it, instead of the whole tree. */
  readonly file: string | undefined
  /** Names of files that may be looked at, as a first selection; `isWanted` decides. None: all. */
  readonly nameGlobs: readonly string[]
  isWanted(path: Buffer): boolean
  readonly context: number
  /** Matching lines whose text is wanted. */
  readonly maxLines: number
  readonly maxMs: number
}

export interface ContentResult {
  /** Files with matching lines, in the byte order of their paths. */
  readonly files: readonly CountRecord[]
  /** In that order. */
  readonly lines: readonly LineRecord[]
  /** False: there may be more files, or more lines. */
  readonly isWhole: boolean
}

/** Bytes of file names in one command line. */
const MAX_ARGUMENT_BYTES = 256 * 1024
const DOT_SLASH = Buffer.from('./')

/**
 * Searches text files. The first pass counts, so that totals are whole and the order is the paths' own, whatever the order in which
 * files are found; the second fetches lines, of no more files than are shown.
 */
export async function searchContent(query: ContentQuery, context: ToolContext): Promise<ContentResult> {
  const { pattern } = query
  const runner = new SearchRunner(context, query.directory, query.maxMs)
  const target =
    query.file === undefined
      ? ({ kind: 'tree', nameGlobs: query.nameGlobs } as const)
      : ({ kind: 'file', path: `./${query.file}` } as const)
  const first = await runner.run((engine) => engine.search(pattern, target))
  let { isWhole } = first
  let files: CountRecord[]
  if (runner.engine.firstPass === 'counts') {
    files = sorted(parseCounts(first.data), query)
  } else {
    files = []
    const named = parseNames(first.data).map((path) => ({ path, count: 1 }))
    for (const batch of batches(sorted(named, query))) {
      const counted = await runner.run((engine) => engine.counts(pattern, batch))
      files.push(...parseCounts(counted.data))
      isWhole &&= counted.isWhole
    }
  }
  const lines: LineRecord[] = []
  let found = 0
  for (const batch of batches(filesFor(files, query.maxLines))) {
    // One line more than is wanted, so that the context of the last one is there.
    const pass = await runner.run((engine) => engine.lines(pattern, batch, query.context, query.maxLines + 1))
    for (const line of parseLines(pass.data)) {
      if (line.isMatch && ++found > query.maxLines) break
      lines.push(line)
    }
    isWhole &&= pass.isWhole
    if (found >= query.maxLines) break
  }
  const plain = <T extends { path: Buffer }>(record: T): T => ({ ...record, path: withoutDot(record.path) })
  return { files: files.map(plain), lines: lines.map(plain), isWhole }
}

/** The wanted ones, in byte order. */
function sorted(records: readonly CountRecord[], query: ContentQuery): CountRecord[] {
  return records.filter(({ path }) => query.isWanted(withoutDot(path))).sort((a, b) => Buffer.compare(a.path, b.path))
}

/** The first files, until they have as many matching lines as are wanted. */
function filesFor(files: readonly CountRecord[], maxLines: number): CountRecord[] {
  let lines = 0
  return files.filter(({ count }) => {
    const isNeeded = lines < maxLines
    lines += count
    return isNeeded
  })
}

/** The paths, in pieces that fit in a command line. */
function* batches(files: readonly CountRecord[]): Iterable<Buffer[]> {
  let batch: Buffer[] = []
  let size = 0
  for (const { path } of files) {
    if (size + path.length > MAX_ARGUMENT_BYTES) {
      yield batch
      batch = []
      size = 0
    }
    batch.push(path)
    size += path.length + 1
  }
  if (batch.length > 0) yield batch
}

function withoutDot(path: Buffer): Buffer {
  return path.subarray(0, DOT_SLASH.length).equals(DOT_SLASH) ? path.subarray(DOT_SLASH.length) : path
}
