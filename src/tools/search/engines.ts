import type { SearchPattern } from './pattern.ts'

/** What a search goes through, from the directory in which it runs. */
export type SearchTarget =
  /** A directory whole; only files whose names match one of the globs, when there are any. */
  { readonly kind: 'tree'; readonly nameGlobs: readonly string[] } | { readonly kind: 'file'; readonly path: Word }

/** One argument. Names of files are bytes. */
export type Word = string | Uint8Array
export type Words = readonly Word[]

/**
 * A program that searches. Both write the same bytes: `path NUL count LF`, `path NUL` and `path NUL line (: | -) text LF`, in which
 * NUL ends the path exactly, whatever its name. Each argument stands by itself: no shell reads them.
 */
export interface SearchEngine {
  /** The files with a match: their counts, or, where counts of all files would come, their names. */
  readonly firstPass: 'counts' | 'names'
  search(pattern: SearchPattern, target: SearchTarget): Words
  counts(pattern: SearchPattern, files: readonly Word[]): Words
  lines(pattern: SearchPattern, files: readonly Word[], context: number, maxLinesPerFile: number): Words
  /** Reason in its complaint about a pattern. */
  reason(stderr: string): string
}

/** Of these only the presence is told by list_files too. */
const SKIPPED = ['.git', 'node_modules']
const HERE = './'

const RIPGREP: Words = [
  'rg',
  '--no-config',
  '--no-messages',
  '--color=never',
  '--no-heading',
  '--with-filename',
  '--null',
  '--no-ignore',
  '--hidden',
  // Bytes are searched as they are: no guess at UTF-16, as grep makes none.
  '--encoding=none',
]

/** https://github.com/BurntSushi/ripgrep, 12 or later. */
export const ripgrep: SearchEngine = {
  firstPass: 'counts',
  search: (pattern, target) => [
    ...RIPGREP,
    '--threads=2',
    '--count',
    ...(target.kind === 'tree' ? target.nameGlobs.map((glob) => `--glob=${glob}`) : []),
    ...SKIPPED.map((name) => `--glob=!${name}/`),
    ...ripgrepPattern(pattern),
    '--',
    targetWord(target),
  ],
  counts: (pattern, files) => [...RIPGREP, '--threads=1', '--count', ...ripgrepPattern(pattern), '--', ...files],
  // One thread keeps the order of the files.
  lines: (pattern, files, context, maxLinesPerFile) => [
    ...RIPGREP,
    '--threads=1',
    '--text',
    '--line-number',
    `--context=${context}`,
    `--max-count=${maxLinesPerFile}`,
    ...ripgrepPattern(pattern),
    '--',
    ...files,
  ],
  reason: (stderr) => /^error: (.+)$/m.exec(stderr)?.[1] ?? stderr,
}

/** GNU grep 3 with PCRE. -s: unreadable files are passed over; -I: so are binary ones. */
export const gnuGrep: SearchEngine = {
  firstPass: 'names',
  search: (pattern, target) => [
    'grep',
    '-rlHIZs',
    ...SKIPPED.map((name) => `--exclude-dir=${name}`),
    ...(target.kind === 'tree' ? target.nameGlobs.map((glob) => `--include=${glob}`) : []),
    ...grepPattern(pattern),
    '--',
    targetWord(target),
  ],
  counts: (pattern, files) => ['grep', '-cHIZs', ...grepPattern(pattern), '--', ...files],
  lines: (pattern, files, context, maxLinesPerFile) => [
    'grep',
    '-nHZas',
    `--context=${context}`,
    `--max-count=${maxLinesPerFile}`,
    ...grepPattern(pattern),
    '--',
    ...files,
  ],
  reason: (stderr) => stderr.replace(/^grep: /, ''),
}

function ripgrepPattern({ source, isRegex, ignoreCase }: SearchPattern): string[] {
  return [ignoreCase ? '--ignore-case' : '--case-sensitive', ...(isRegex ? [] : ['-F']), `--regexp=${source}`]
}

function grepPattern({ source, isRegex, ignoreCase }: SearchPattern): string[] {
  // UCP: \w, \d and \b are Unicode's, as they are for ripgrep.
  return [...(ignoreCase ? ['-i'] : []), isRegex ? '-P' : '-F', '-e', isRegex ? `(*UCP)${source}` : source]
}

function targetWord(target: SearchTarget): Word {
  return target.kind === 'tree' ? HERE : target.path
}
