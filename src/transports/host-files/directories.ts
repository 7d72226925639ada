import { realpath } from 'node:fs/promises'
import { isAbsolute, relative, resolve, sep } from 'node:path'

/**
 * True for a path that lies below a directory, or is it, by its parts: `/data2/x` does not lie below `/data`, which a comparison of the
 * texts would say (CVE-2025-53110).
 */
export function liesIn(directory: string, path: string): boolean {
  const way = relative(directory, path)
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way)
}

/** The path that a caller means: relative ones start in the first of the directories. */
export function absoluteIn(directories: readonly string[], path: string): string {
  return resolve(directories[0] ?? sep, path)
}

/** The directories as they really are now, without links; those that are not there are left out. */
export async function realDirectories(directories: readonly string[]): Promise<string[]> {
  const real = await Promise.all(directories.map((each) => realpath(each).catch(() => undefined)))
  return real.filter((each) => each !== undefined)
}
