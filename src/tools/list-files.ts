import * as z from 'zod'
import { SandboxError } from '../errors/sandbox-error.ts'
import { formatBytes } from '../lib/units.ts'
import type { Sandbox } from '../sandbox/sandbox.ts'
import { globDepth, globPatterns } from './glob.ts'
import { fileName, visibleName } from './render/file-name.ts'
import { footerLine } from './render/text.ts'
import { estimateTokens, MAX_BODY_TOKENS } from './render/token-estimate.ts'
import { defineTool } from './tool.ts'

const MAX_DEPTH = 64
const DEFAULT_LIMIT = 200
const MAX_LIMIT = 1000

const input = z.strictObject({
  path: z.string().default('.'),
  depth: z.int().min(1).max(MAX_DEPTH).optional().describe('Levels (default 1, or what glob needs).'),
  glob: z.string().optional().describe('e.g. "**/*.{ts,js}"; without / it matches names.'),
  hidden: z.boolean().default(false).describe('Also names that begin with a dot.'),
  limit: z.int().min(1).max(MAX_LIMIT).default(DEFAULT_LIMIT),
  cursor: z.string().optional().describe('next_cursor of the page before.'),
  sort: z.enum(['name', 'mtime', 'size']).default('name'),
})

const entry = z.object({
  path: z.string(),
  type: z.enum(['file', 'directory', 'symlink', 'other']),
  size: z.number(),
  mtime: z.string(),
  target: z.string().optional(),
  folded: z.number().optional(),
  not_utf8: z.boolean().optional(),
})

type Entry = z.output<typeof entry>
type WireEntry = Awaited<ReturnType<Sandbox['files']['list']>>['entries'][number]

export const listFiles = defineTool({
  name: 'list_files',
  title: 'List files',
  description:
    'List files and directories with type, size and time of change, newest or largest first if sorted so. .git and node_modules ' +
    'are folded to a count. Paths are below `path`.',
  effect: { readOnly: true, destructive: false, idempotent: true, reachesNetwork: false },
  input,
  output: z.object({
    path: z.string(),
    entries: z.array(entry),
    total: z.number(),
    total_is_minimum: z.boolean().optional(),
    truncated: z.boolean(),
    next_cursor: z.string().optional(),
  }),

  async run(args, { sandbox, signal }) {
    const globs = args.glob === undefined ? [] : globPatterns(args.glob)
    const skip = parseSkip(args.cursor)
    const spec = {
      depth: args.depth ?? globDepth(globs),
      hidden: args.hidden,
      sort: args.sort,
      limit: args.limit,
      skip,
      globs,
    }
    const page = await sandbox.files.list(args.path, spec, signal)
    const { lines, entries } = fit(page.entries)
    const truncated = page.more || entries.length < page.entries.length
    const nextCursor = String(skip + entries.length)
    const path = sandbox.files.shown(args.path)
    return {
      text: lines.length === 0 ? '(nothing)' : lines.join('\n'),
      footer: footerLine([
        visibleName(path),
        `${entries.length} of ${page.capped ? 'at least ' : ''}${page.total}`,
        truncated ? `more: cursor=${nextCursor}` : undefined,
      ]),
      structured: {
        path,
        entries,
        total: page.total,
        ...(page.capped ? { total_is_minimum: true } : {}),
        truncated,
        ...(truncated ? { next_cursor: nextCursor } : {}),
      },
    }
  },
})

function parseSkip(cursor: string | undefined): number {
  if (cursor === undefined) return 0
  if (!/^\d{1,9}$/.test(cursor)) {
    throw new SandboxError('invalid_argument', 'cursor: not a cursor.', {
      hint: 'Use the next_cursor of the page before, with the same other arguments.',
    })
  }
  return Number(cursor)
}

/** As many entries as one result may hold, in both forms; the structured one is the longer. */
function fit(wire: readonly WireEntry[]): { lines: string[]; entries: Entry[] } {
  const lines: string[] = []
  const entries: Entry[] = []
  let tokens = 0
  for (const each of wire) {
    const { line, entry } = render(each)
    tokens += Math.max(estimateTokens(line), estimateTokens(JSON.stringify(entry)))
    if (tokens > MAX_BODY_TOKENS && entries.length > 0) break
    lines.push(line)
    entries.push(entry)
  }
  return { lines, entries }
}

function render(each: WireEntry): { line: string; entry: Entry } {
  const name = fileName(each.path)
  const target = each.type === 'symlink' ? fileName(each.target) : undefined
  const mtime = isoTime(each.mtimeMs)
  const isDirectory = each.type === 'directory'
  const size = each.type === 'file' ? formatBytes(each.sizeBytes) : '-'
  const mark = isDirectory ? '/' : target ? ` -> ${target.visible}` : each.type === 'other' ? ' (special file)' : ''
  const folded = each.folded > 0 ? ` (${each.folded} entries, folded)` : ''
  return {
    line: `${mtime.slice(0, 16).replace('T', ' ')}  ${size.padStart(9)}  ${name.visible}${mark}${folded}`,
    entry: {
      path: name.exact,
      type: each.type,
      size: each.sizeBytes,
      mtime,
      ...(target ? { target: target.exact } : {}),
      ...(each.folded > 0 ? { folded: each.folded } : {}),
      ...(name.isUtf8 && (target?.isUtf8 ?? true) ? {} : { not_utf8: true }),
    },
  }
}

/** ISO 8601 in UTC, to the second. A file may carry any time; one beyond what a Date holds is shown as the epoch. */
function isoTime(ms: number): string {
  const date = new Date(ms)
  return `${(Number.isNaN(date.getTime()) ? new Date(0) : date).toISOString().slice(0, -5)}Z`
}
