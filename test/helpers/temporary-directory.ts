import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** An empty directory of this machine, without links in its path, that goes when the test ends. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'sandbox-mcp-test-')))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return directory
}
