import type { Sandbox } from '../../sandbox/sandbox.ts'
import type { ToolContext } from '../tool.ts'

export type WalkedEntry = Awaited<ReturnType<Sandbox['files']['list']>>['entries'][number]

const MAX_DEPTH = 64
const PAGE_ENTRIES = 10_000

/**
 * Every entry below a directory that matches a glob (none: all), in byte order, what is in `.git` and `node_modules` left out. Gives
 * each page to `onPage`; resolves to whether it went through all in the time given.
 */
export async function walk(
  path: string,
  globs: readonly string[],
  maxMs: number,
  onPage: (entries: readonly WalkedEntry[]) => void,
  { sandbox, signal }: ToolContext,
): Promise<boolean> {
  const deadline = performance.now() + maxMs
  for (let skip = 0; ;) {
    const spec = { depth: MAX_DEPTH, hidden: true, sort: 'name', limit: PAGE_ENTRIES, skip, globs } as const
    const page = await sandbox.files.list(path, spec, signal)
    onPage(page.entries)
    skip += page.entries.length
    if (!page.more || page.entries.length === 0) return !page.capped
    if (performance.now() > deadline) return false
  }
}
