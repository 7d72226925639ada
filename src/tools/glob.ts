import { expand } from 'brace-expansion'
import { SandboxError } from '../errors/sandbox-error.ts'

const MAX_PATTERNS = 64
const MAX_LENGTH = 1000
/** Deeper than any walk that is worth a page. */
const ANY_DEPTH = 64

/** The patterns that a glob stands for: `{a,b}` is expanded here, `*`, `?`, `[…]` and `**` are the supervisor's. */
export function globPatterns(glob: string): string[] {
  if (glob === '' || glob.length > MAX_LENGTH || glob.includes('\0')) {
    throw new SandboxError('invalid_argument', `glob: give 1 to ${MAX_LENGTH} characters.`)
  }
  // Bounded, because nested braces multiply: `{a,b}` thirty times over is a thousand million patterns.
  const patterns = expand(glob, { max: MAX_PATTERNS + 1, maxLength: 100_000 })
  if (patterns.length > MAX_PATTERNS) {
    throw new SandboxError('invalid_argument', `glob: the braces stand for more than ${MAX_PATTERNS} patterns.`, {
      hint: 'Use fewer alternatives, or * instead.',
    })
  }
  return patterns.map((pattern) => pattern.replace(/^(?:\.\/)+/, ''))
}

/** How many levels must be walked so that the patterns can match at all. */
export function globDepth(patterns: readonly string[]): number {
  return Math.max(
    1,
    ...patterns.map((pattern) => (pattern.includes('**') ? ANY_DEPTH : Math.min(ANY_DEPTH, pattern.split('/').length))),
  )
}
