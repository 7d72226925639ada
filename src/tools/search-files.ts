import { posix } from 'node:path'
import * as z from 'zod'
import { SandboxError } from '../errors/sandbox-error.ts'
import { globPatterns } from './glob.ts'
import { fileName, visibleName } from './render/file-name.ts'
import { matchLine } from './render/match-line.ts'
import { footerLine } from './render/text.ts'
import { estimateTokens, MAX_BODY_TOKENS } from './render/token-estimate.ts'
import { parsePattern, type SearchPattern } from './search/pattern.ts'
import { type ContentResult, searchContent } from './search/search-content.ts'
import { walk, type WalkedEntry } from './search/walk.ts'
import { defineTool, type ToolContext } from './tool.ts'

const DEFAULT_LIMIT = 100
const MAX_LIMIT = 1000
const MAX_CONTEXT = 20
/** A search ends within the time that clients wait by default. */
const MAX_SEARCH_MS = 35_000
/** Globs that every program reads alike; the others are decided by the walk alone. */
const PLAIN_GLOB = /^[\w.*?-]+$/

const input = z.strictObject({
  pattern: z.string().describe('RE2 regex, within one line.'),
  in: z.enum(['content', 'name']).default('content'),
  path: z.string().default('.').describe('Directory or file.'),
  glob: z.string().optional().describe('Only these files, e.g. "*.{ts,js}".'),
  regex: z.boolean().default(true).describe('false: plain text.'),
  ignore_case: z.boolean().default(false),
  context: z.int().min(0).max(MAX_CONTEXT).default(0).describe('Lines around each match.'),
  output: z.enum(['matches', 'files', 'count']).default('matches'),
  limit: z.int().min(1).max(MAX_LIMIT).default(DEFAULT_LIMIT),
})

const match = z.object({
  path: z.string(),
  line: z.number().optional(),
  text: z.string().optional(),
  is_context: z.boolean().optional(),
  count: z.number().optional(),
})

type Args = z.output<typeof input>
type Match = z.output<typeof match>

/** What was found; `matches` holds at most as many as were asked for. */
interface Found {
  readonly matches: readonly Match[]
  /** How many of them there are in all, context aside. */
  readonly available: number
  /** Matching lines, or names. */
  readonly total: number
  readonly files: number
  /** False: there may be more than was found. */
  readonly isWhole: boolean
}

export const searchFiles = defineTool({
  name: 'search_files',
  title: 'Search files',
  description:
    'Search the content of text files (like grep), or file names with in=name. Paths come sorted and can be read as they are. Binary ' +
    'files, .git and node_modules are skipped; hidden and ignored files are not. output=files or count gives an overview.',
  effect: { readOnly: true, destructive: false, idempotent: true, reachesNetwork: false },
  input,
  output: z.object({
    matches: z.array(match),
    total: z.number(),
    files: z.number(),
    truncated: z.boolean(),
    total_is_minimum: z.boolean().optional(),
  }),

  async run(args, context) {
    const pattern = parsePattern(args.pattern, args.regex, args.ignore_case)
    const globs = args.glob === undefined ? [] : globPatterns(args.glob)
    const search = args.in === 'name' ? searchNames : searchLines
    const found = await search(args, pattern, globs, context)
    const { lines, matches } = fit(found.matches)
    const shown = matches.filter(isFound).length
    const truncated = shown < found.available || !found.isWhole
    return {
      text: lines.length === 0 ? '(nothing)' : lines.join('\n'),
      footer: footerLine([
        totals(args, found),
        shown < found.available ? `${shown} shown: narrow it with path, glob or pattern, or raise limit` : undefined,
        found.isWhole ? undefined : 'there may be more: the search was cut short, so narrow it',
      ]),
      structured: {
        matches,
        total: found.total,
        files: found.files,
        truncated,
        ...(found.isWhole ? {} : { total_is_minimum: true }),
      },
    }
  },
})

async function searchLines(
  args: Args,
  pattern: SearchPattern,
  globs: readonly string[],
  context: ToolContext,
): Promise<Found> {
  const { sandbox, signal } = context
  const { type } = await sandbox.files.stat(args.path, signal)
  if (type === 'other') {
    throw new SandboxError('not_a_file', `${visibleName(sandbox.files.shown(args.path))} is no regular file.`)
  }
  const isFile = type === 'file'
  if (isFile) await refuseBinary(args.path, context)
  const path = posix.normalize(args.path)
  const selected = isFile || globs.length === 0 ? EVERYTHING : await selection(args.path, globs, context)
  const query = {
    pattern,
    directory: isFile ? posix.dirname(path) : path,
    file: isFile ? posix.basename(path) : undefined,
    nameGlobs: nameGlobs(globs),
    isWanted: selected.isWanted,
    context: args.context,
    maxLines: args.output === 'matches' ? args.limit : 0,
    maxMs: MAX_SEARCH_MS,
  }
  const result = await searchContent(query, context)
  const shown = (name: Buffer) => shownPath(query.directory, name, context)
  const total = result.files.reduce((sum, { count }) => sum + count, 0)
  const counted = { total, files: result.files.length, isWhole: result.isWhole && selected.isWhole }
  if (args.output === 'matches') return { ...counted, matches: lineMatches(result, pattern, shown), available: total }
  const matches = result.files
    .slice(0, args.limit)
    .map(({ path: name, count }) => (args.output === 'count' ? { path: shown(name), count } : { path: shown(name) }))
  return { ...counted, matches, available: result.files.length }
}

/** In a tree binary files are passed over; one that is named is an error, rather than "nothing found". */
async function refuseBinary(path: string, { sandbox, signal }: ToolContext): Promise<void> {
  const range = { first: 1, maxLines: 1, maxBytes: 1, maxLineBytes: 1 }
  const { binary } = await sandbox.files.readLines(path, range, signal)
  if (!binary) return
  throw new SandboxError('binary_file', `${visibleName(sandbox.files.shown(path))} is binary: only text is searched.`, {
    hint: 'Search it with shell_exec, e.g. strings FILE | grep, or grep -a.',
  })
}

function lineMatches(result: ContentResult, pattern: SearchPattern, shown: (name: Buffer) => string): Match[] {
  return result.lines.map(({ path, line, text, isMatch }) => ({
    path: shown(path),
    line,
    text: matchLine(text, pattern.find),
    ...(isMatch ? {} : { is_context: true }),
  }))
}

async function searchNames(
  args: Args,
  pattern: SearchPattern,
  globs: readonly string[],
  context: ToolContext,
): Promise<Found> {
  // A pattern with a slash means a path, as a glob with one does.
  const wholePath = pattern.source.includes('/')
  const matches: Match[] = []
  let files = 0
  const isWhole = await walk(
    args.path,
    globs,
    MAX_SEARCH_MS,
    (entries) => {
      for (const entry of entries) {
        const { exact } = fileName(entry.path)
        if (!pattern.find(wholePath ? exact : posix.basename(exact))) continue
        files++
        if (matches.length < args.limit && args.output !== 'count') {
          const path = shownPath(args.path, entry.path, context)
          matches.push({ path: entry.type === 'directory' ? `${path}/` : path })
        }
      }
    },
    context,
  )
  const available = args.output === 'count' ? 0 : files
  return { matches, available, total: files, files, isWhole }
}

/** Globs of names alone that let through all that the whole globs do; none when there is no such. */
function nameGlobs(globs: readonly string[]): string[] {
  const names = globs.map((glob) => glob.slice(glob.lastIndexOf('/') + 1))
  return names.every((name) => PLAIN_GLOB.test(name) && !name.includes('**')) ? names : []
}

interface Selection {
  isWanted(path: Buffer): boolean
  readonly isWhole: boolean
}

const EVERYTHING: Selection = { isWanted: () => true, isWhole: true }

/** The globs as list_files understands them: what it would list is what is searched. */
async function selection(path: string, globs: readonly string[], context: ToolContext): Promise<Selection> {
  const wanted = new Set<string>()
  const isWhole = await walk(
    path,
    globs,
    MAX_SEARCH_MS,
    (entries: readonly WalkedEntry[]) => {
      for (const entry of entries) if (entry.type === 'file') wanted.add(entry.path.toString('latin1'))
    },
    context,
  )
  return { isWanted: (name) => wanted.has(name.toString('latin1')), isWhole }
}

/** A path that other tools take as it is. */
function shownPath(directory: string, name: Buffer, { sandbox }: ToolContext): string {
  return sandbox.files.shown(posix.join(directory, fileName(name).exact))
}

function totals({ in: where }: Args, { total, files, isWhole }: Found): string {
  const least = isWhole ? '' : 'at least '
  if (where === 'name') return `${least}${plural(files, 'name')}`
  return `${least}${plural(total, 'matching line')} in ${plural(files, 'file')}`
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

function isFound({ is_context: isContext }: Match): boolean {
  return isContext !== true
}

/** As many matches as one result may hold, in both forms. Lines of one file stand below its path. */
function fit(all: readonly Match[]): { lines: string[]; matches: Match[] } {
  const lines: string[] = []
  const matches: Match[] = []
  let tokens = 0
  let before: Match | undefined
  for (const each of all) {
    const added = textLines(each, before)
    tokens += Math.max(estimateTokens(added.join('\n')), estimateTokens(JSON.stringify(each)))
    if (tokens > MAX_BODY_TOKENS && matches.length > 0) break
    lines.push(...added)
    matches.push(each)
    before = each
  }
  return { lines, matches }
}

function textLines(each: Match, before: Match | undefined): string[] {
  const path = visibleName(each.path)
  if (each.line === undefined) return [each.count === undefined ? path : `${path}: ${each.count}`]
  const isNewFile = before?.path !== each.path
  const isGap = !isNewFile && before?.line !== undefined && each.line > before.line + 1
  const isApart = isGap && (isContext(each) || isContext(before))
  return [
    ...(isNewFile ? [path] : isApart ? ['  --'] : []),
    `  ${each.line}${isFound(each) ? ':' : '-'} ${each.text ?? ''}`,
  ]
}

function isContext(each: Match | undefined): boolean {
  return each?.is_context === true
}
