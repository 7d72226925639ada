import * as z from 'zod'
import { SandboxError } from '../../errors/sandbox-error.ts'
import { oneLine } from '../../lib/visible-text.ts'

/** What a URL below `/files` names. */
export interface FileTarget {
  /** Absolute, or relative to the workspace; `.` is the workspace itself. */
  readonly path: string
  /** The URL ends with a slash, so only a directory is meant. */
  readonly isDirectory: boolean
  readonly query: URLSearchParams
}

/**
 * Reads the target of a request, without the `/files` before it. `/data/a.csv` is a path below the workspace; a second slash
 * (`//tmp/x`, or `/%2Ftmp/x` where a proxy merges slashes) makes it absolute. It is decoded once, and has to be UTF-8 then
 * (RFC 3986 section 2.4): `%252e` is a name with a percent sign in it, not a dot.
 */
export function fileTarget(url: string): FileTarget {
  const at = url.indexOf('?')
  const raw = at < 0 ? url : url.slice(0, at)
  let decoded: string
  try {
    decoded = decodeURIComponent(raw.replace(/^\//, ''))
  } catch {
    throw new SandboxError('invalid_argument', 'The path is not UTF-8 in percent-encoding.')
  }
  const isDirectory = decoded === '' || decoded.endsWith('/')
  const trimmed = decoded.replace(/\/+$/, '')
  const path = trimmed !== '' ? trimmed : decoded === '' ? '.' : '/'
  return { path, isDirectory, query: new URLSearchParams(at < 0 ? '' : url.slice(at + 1)) }
}

/** A switch in a query: there or not; `?recursive` and `?recursive=true` are the same. */
export const flag = z
  .enum(['', 'true', 'false'], 'takes no value, true or false')
  .default('false')
  .transform((given) => given !== 'false')

/** A whole number in a query. */
export function number(min: number, max: number) {
  return z
    .string()
    .regex(/^\d{1,9}$/, 'give a whole number')
    .transform(Number)
    .pipe(z.number().min(min).max(max))
}

/** The parameters of a query, each at most once and none but the known ones. */
export function readQuery<Schema extends z.ZodObject>(query: URLSearchParams, schema: Schema): z.output<Schema> {
  const given: Record<string, string> = Object.create(null) as Record<string, string>
  for (const [name, value] of query) {
    if (!Object.hasOwn(schema.shape, name)) {
      const known = Object.keys(schema.shape).join(', ')
      throw refused(name, known === '' ? 'there are no parameters here' : `unknown; there are ${known}`)
    }
    if (name in given) throw refused(name, 'is there twice')
    given[name] = value
  }
  const parsed = schema.safeParse({ ...given })
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw refused(String(issue?.path[0] ?? 'query'), issue?.message ?? 'is not valid')
}

function refused(name: string, why: string): SandboxError {
  return new SandboxError('invalid_argument', `Query parameter ${oneLine(name, 40)}: ${why}.`)
}
