import type * as z from 'zod'
import { SandboxError } from '../errors/sandbox-error.ts'
import { oneLine } from '../lib/visible-text.ts'
import type { Tool } from './tool.ts'

const SHOWN_ISSUES = 3

/** The arguments of a call, checked and with defaults filled in; `invalid_argument` names the parameter and what it takes. */
export function parseArguments(tool: Tool, raw: unknown): Record<string, unknown> {
  const parsed = tool.input.safeParse(raw ?? {}, { reportInput: true })
  if (parsed.success) return parsed.data
  const known = Object.keys(tool.input.shape)
  const issues = parsed.error.issues.slice(0, SHOWN_ISSUES).map((issue) => describe(issue, known))
  throw new SandboxError('invalid_argument', issues.join(' '), { hint: `Correct it and call ${tool.name} again.` })
}

function describe(issue: z.core.$ZodIssue, known: readonly string[]): string {
  const field = oneLine(issue.path.join('.'), 80)
  const subject = field === '' ? 'The arguments' : field
  switch (issue.code) {
    case 'unrecognized_keys':
      return `Unknown parameter ${issue.keys.map((key) => oneLine(key, 40)).join(', ')}: it takes ${known.join(', ') || 'none'}.`
    case 'invalid_type':
      return issue.input === undefined
        ? `${subject} is missing: give a value of type ${issue.expected}.`
        : `${subject} must be of type ${article(issue.expected)}.`
    case 'invalid_value':
      return issue.input === undefined
        ? `${subject} is missing: give one of ${issue.values.map(String).join(', ')}.`
        : `${subject} must be one of ${issue.values.map(String).join(', ')}.`
    case 'too_small':
      return `${subject} must be at least ${issue.minimum}.`
    case 'too_big':
      return `${subject} must be at most ${issue.maximum}.`
    case 'custom':
    case 'invalid_format':
    case 'invalid_element':
    case 'invalid_key':
    case 'invalid_union':
    case 'not_multiple_of':
      break
  }
  return `${subject}: ${oneLine(issue.message)}.`
}

function article(type: string): string {
  return type === 'int' ? 'integer' : type
}
