import * as z from 'zod'
import { makeVisible } from '../lib/visible-text.ts'

/** What a runtime's image has, as its own programs told when it was built. */
export interface RuntimeContents {
  /** "Debian GNU/Linux 12 (bookworm)" */
  readonly os: string | undefined
  /** Versions of languages and tools by the name of the program. */
  readonly programs: Readonly<Record<string, string>>
  /** Versions of the installed packages, by manager; of apt only those that the definition asks for. */
  readonly packages: Readonly<Record<string, Readonly<Record<string, string>>>>
}

const MAX_TEXT = 100

/** Reads the lines of measure.sh. What is not one is left out: an image is the operator's, but its packages are anybody's. */
export function parseMeasurement(text: string): RuntimeContents {
  let os: string | undefined
  const programs: Record<string, string> = {}
  const packages: Record<string, Record<string, string>> = {}
  for (const line of text.split('\n')) {
    const [kind, name, version] = line.split('\t').map((part) => makeVisible(part).slice(0, MAX_TEXT))
    if (name === undefined || version === undefined) continue
    if (kind === 'os') os = version
    else if (kind === 'program') programs[name] = version
    else if (kind === 'pip' || kind === 'npm' || kind === 'cargo' || kind === 'apt')
      (packages[kind] ??= {})[name] = version
  }
  return { os, programs, packages }
}

const stored = z.object({
  os: z.string().optional(),
  programs: z.record(z.string(), z.string()),
  packages: z.record(z.string(), z.record(z.string(), z.string())),
})

/** What a label says of an image's contents; undefined for an image that was never measured. */
export function contentsFromLabel(label: string | undefined): RuntimeContents | undefined {
  if (label === undefined) return undefined
  let value: unknown
  try {
    value = JSON.parse(label)
  } catch {
    // An image that somebody else labelled.
    return undefined
  }
  const parsed = stored.safeParse(value)
  return parsed.success ? { os: undefined, ...parsed.data } : undefined
}
