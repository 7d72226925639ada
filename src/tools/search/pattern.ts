import { RE2JS } from 're2js'
import { SandboxError } from '../../errors/sandbox-error.ts'
import { oneLine } from '../../lib/visible-text.ts'
import { occurrences } from '../edits/occurrences.ts'

/** What is searched for. The programs that search get `source`; the server itself matches only names and places in lines. */
export interface SearchPattern {
  readonly source: string
  readonly isRegex: boolean
  readonly ignoreCase: boolean
  /** Where the first match in a text begins and ends; undefined when there is none. Linear in the text. */
  find(text: string): readonly [start: number, end: number] | undefined
}

const MAX_LENGTH = 1000

/**
 * Reads a pattern. Regular expressions are RE2 syntax: what ripgrep (Rust's regex) and grep -P (PCRE) understand alike, and what no
 * hostile text can make slow. `invalid_argument` with the reason for others.
 */
export function parsePattern(source: string, isRegex: boolean, ignoreCase: boolean): SearchPattern {
  if (source === '' || source.length > MAX_LENGTH) {
    throw new SandboxError('invalid_argument', `pattern: give 1 to ${MAX_LENGTH} characters.`)
  }
  if (/[\n\r\0]/.test(source)) {
    throw new SandboxError('invalid_argument', 'pattern: a match lies within one line.', {
      hint: 'Search for one line of it, with context to see the others; or write \\t and the like as regex.',
    })
  }
  const find = isRegex || ignoreCase ? regexFinder(source, isRegex, ignoreCase) : literalFinder(source)
  return { source, isRegex, ignoreCase, find }
}

function literalFinder(source: string): SearchPattern['find'] {
  return (text) => {
    const [start] = occurrences(text, source, false)
    return start === undefined ? undefined : [start, start + source.length]
  }
}

function regexFinder(source: string, isRegex: boolean, ignoreCase: boolean): SearchPattern['find'] {
  const regex = compile(isRegex ? source : RE2JS.quote(source), ignoreCase)
  return (text) => {
    const matcher = regex.matcher(text)
    return matcher.find() ? [matcher.start(), matcher.end()] : undefined
  }
}

function compile(source: string, ignoreCase: boolean): RE2JS {
  try {
    return RE2JS.compile(source, ignoreCase ? RE2JS.CASE_INSENSITIVE : 0)
  } catch (cause) {
    const reason = cause instanceof Error ? oneLine(cause.message, 160) : 'not valid'
    throw invalidPattern(reason, cause)
  }
}

export function invalidPattern(reason: string, cause?: unknown): SandboxError {
  return new SandboxError('invalid_argument', `pattern: not a valid regular expression (${reason}).`, {
    hint: 'Use RE2 syntax (no look-around, no back-references), or regex=false for plain text.',
    cause,
  })
}
